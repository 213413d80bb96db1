"""Rows of the tables that say what the API answers, and how one is tried: sent as the documents show it, curl -X METHOD URL -d JSON.

A row: the status expected, the method, the path, the JSON with <names> out of world.py, who asks, what the answer has: a set of members
exactly, or a dictionary of members and values (with <names>) among others; None is an empty body; and the fixture of the server that it
needs: real_server where only a real hypervisor answers so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from world import People, World

ERROR = frozenset({"status", "title", "code", "message"})

# The document's own example; only its missing comma is set.
EFI = """{
    "authkey": "<authkey>",
    "name": "<NAME>",
    "catalog": "<CID>",

    "cpu_count": "2",
    "memory_size_mb": "256",
    "displays": [
        {
            "description": "the screen",
            "width": "1280",
            "height": "800"
        }
    ],
    "storage_devices": ["<STID>"],
    "nics": [],

    "rosetta": true,
    "autostart": false
}"""


@dataclass
class Row:
    status: int
    method: str
    path: str
    body: str | None = None
    answer: object = ERROR
    who: str | None = "root"
    why: str = ""
    server: str = "mock_server"

    def __str__(self):
        return f"{self.method} {self.path} {self.status} {self.why}".strip()


def efi(**changes: object) -> str:
    """The example with some members replaced; None takes one away."""
    members = json.loads(EFI)
    for name, value in changes.items():
        if value is None:
            members.pop(name)
        else:
            members[name] = value
    return json.dumps(members)


def parameters(table: list[Row]):
    return [pytest.param(row, id=str(row), marks=[pytest.mark.guests] if row.server == "real_server" else []) for row in table]


def body_of(row: Row, world: World) -> str | None:
    if row.who not in (None, "root"):
        if row.who == "viewer":
            world.shared("viewer", "view")
        world._things["authkey"] = world.people.key(row.who)
    return row.body and world.fill(row.body)


def check(row: Row, request):
    """Sends the row and compares what comes back."""
    server = request.getfixturevalue(row.server)
    world = request.getfixturevalue("world") if row.server == "mock_server" else World(server, People(server))
    answer = server.curl(row.method, world.fill(row.path), body_of(row, world))
    assert answer.status == row.status, answer.text
    assert answer.headers["x-request-id"]
    if row.answer is None:
        assert answer.body in (b"", b"{}")
        return
    document = answer.json
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert ERROR <= set(document) and document["status"] == row.status
    if isinstance(row.answer, (set, frozenset)):
        assert row.answer <= set(document) if answer.status >= 400 else row.answer == set(document)
        return
    for member, value in row.answer.items():
        assert member in document
        if value is not ...:
            assert document[member] == (world.fill(value) if isinstance(value, str) else value)
