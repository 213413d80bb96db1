"""The documentation says what the code does."""

import re

import velocity


def codes_of_the_code() -> dict[str, int]:
    names = dict(re.findall(r'X\((\w+), "([^"]+)"\)', (velocity.SOURCE / "framework/model/error.hpp").read_text()))
    statuses = dict(re.findall(r"ErrorCode::(\w+), (\d+)\}", (velocity.SOURCE / "server/problem.cpp").read_text()))
    return {name: int(statuses[enumerator]) for enumerator, name in names.items()}


def test_every_error_code_is_documented_with_its_status():
    rows = re.findall(r"^\| `([a-z_.]+)` \| (\d+) \| .+ \|$", (velocity.SOURCE / "docs/errors.md").read_text(), re.MULTILINE)
    assert {code: int(status) for code, status in rows} == codes_of_the_code()


def test_every_link_within_the_documentation_leads_somewhere():
    broken = []
    for page in [*velocity.SOURCE.glob("*.md"), *(velocity.SOURCE / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(velocity.SOURCE)}: {target}")
    assert broken == []
