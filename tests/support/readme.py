"""What the README tells people to type."""

import re

import velocity


def session() -> str:
    """Its blocks marked as its session, in order, the question for the password first."""
    text = (velocity.SOURCE / "README.md").read_text()
    blocks = re.findall(r"<!-- session(: password)? -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 4 and blocks[0][0]
    return "".join(block for _, block in blocks)
