"""The packages of this tree for the tests: made once in a test's run, and older or newer ones made of them."""

import functools
import pathlib
import re
import subprocess
import tempfile

import velocity

_directory = None


@functools.cache
def all_packages() -> dict[str, pathlib.Path]:
    """Each package by its name. What is installed is the release build, whatever build is tested."""
    global _directory
    _directory = tempfile.TemporaryDirectory(prefix="packages.", dir=velocity.SOURCE / "build")
    done = subprocess.run([velocity.SOURCE / "script/package", _directory.name], capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {file.name.split("_")[0]: file for file in map(pathlib.Path, done.stdout.split())}


def field(package: pathlib.Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True).stdout.strip()


def remade(package: pathlib.Path, into: pathlib.Path, version: str, change=lambda tree: None) -> pathlib.Path:
    """The same package with another version, and with what change() does to its files: what a later release would be."""
    tree = into / package.stem
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    change(tree)
    file = into / f"{package.name.split('_')[0]}_{version}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", tree, file], check=True, capture_output=True)
    return file
