"""For every Python test, from ctest or by hand: where the support modules are, and the fixtures."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from velocity_fixtures import *  # noqa: E402,F401,F403
