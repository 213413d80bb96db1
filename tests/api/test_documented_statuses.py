"""Every answer that docs/errors.md promises of /plugins and of the routes under /r and /v is tried somewhere: by a row of the contract's tables, by a test in Python that
is marked with what it covers (and held to it), or by one in C++ under a comment "covers: METHOD /path STATUS, STATUS".
"""

import importlib
import pathlib
import re

import pytest

import velocity
from contract import Row

HERE = pathlib.Path(__file__).parent
TABLES = sorted(file.stem for file in HERE.glob("test_contract*.py"))


def documented() -> set[str]:
    page = (velocity.SOURCE / "docs/errors.md").read_text().partition("## What each route answers")[2]
    rows = re.findall(r"^\| `([A-Z]+ /[^`]+)` \| ([\d, ]+) \|$", page, re.MULTILINE)
    assert rows
    return {f"{route} {status}" for route, statuses in rows for status in statuses.split(", ")}


def routes_of_the_server() -> set[str]:
    """Of the tables of the REST room; uploads and downloads are the edge's own."""
    found = set()
    for file in (velocity.SOURCE / "server/rest").glob("*_routes.cpp"):
        for method, path in re.findall(r'\{Method::(\w+), "(/(?:r|v|plugins)(?:/[^"]*)?)"', file.read_text()):
            found.add(f"{method.upper().replace('REMOVE', 'DELETE')} {path.replace(':type', '<type>')}")
    return found


def tabled(monkeypatch) -> set[str]:
    monkeypatch.syspath_prepend(str(HERE))
    rows = set()
    for name in TABLES:
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, list):
                rows |= {f"{row.method} {velocity.route_of(row.path)} {row.status}" for row in value if isinstance(row, Row)}
    return {row for row in rows if re.match(r"[A-Z]+ /(r|v|plugins)(/|\b)", row)}


def marked() -> set[str]:
    found = set()
    for file in (velocity.SOURCE / "tests").rglob("*.py"):
        for arguments in re.findall(r"mark\.covers\(([^)]*)\)", file.read_text()):
            found |= set(re.findall(r'"([A-Z]+ /[^"]+ \d+)"', arguments))
    for file in (velocity.SOURCE / "tests").rglob("*.cpp"):
        for route, statuses in re.findall(r"^// covers: ([A-Z]+ /\S+) ([\d, ]+)$", file.read_text(), re.MULTILINE):
            found |= {f"{route} {status}" for status in statuses.split(", ")}
    return found


@pytest.fixture
def cases(monkeypatch):
    return tabled(monkeypatch) | marked()


def test_every_documented_answer_has_a_case(cases):
    missing = sorted(documented() - cases)
    assert not missing, missing


def test_every_answer_that_has_a_case_is_documented(cases):
    paths = {case.rpartition(" ")[0] for case in documented()}
    # A method that a path does not have, and a path that is none, are the ground rules' affair.
    silent = sorted(case for case in cases - documented() if case.rpartition(" ")[0] in paths)
    assert not silent, silent


def test_every_route_is_documented():
    assert sorted(routes_of_the_server() - {case.rpartition(" ")[0] for case in documented()}) == []
