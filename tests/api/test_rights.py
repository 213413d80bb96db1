"""Every route × every kind of caller × what is its own, another's, absent or malformed.

What a caller cannot see and what is not there must be the same in status, headers and bytes.
"""

from __future__ import annotations

import re
import sqlite3
import time
from dataclasses import dataclass

import pytest

import velocity
from world import PERMISSIONS, People, World

CALLERS = ("none", "invalid", "stranger", "lacking", "holder", "owner", "root")
TARGETS = ("own", "foreign", "absent", "malformed")


@dataclass(frozen=True)
class Route:
    """`needs` is a permission on the catalog; "any" is any of them; "catalogmanager" and "group" are memberships.
    `thing` is what own and foreign name in tests/support/world.py; `field` is where the id stands."""

    method: str
    path: str
    field: str
    thing: str
    needs: str
    more: tuple[tuple[str, object], ...] = ()
    done: int = 200

    def __str__(self):
        return f"{self.method} {self.path}"


MACHINE = (("cpu_count", 1), ("memory_size_mb", 64))
ROUTES = [
    Route("GET", "/c", "cid", "CID", "any"),
    Route("DELETE", "/c", "cid", "CID", "catalogmanager"),
    Route("GET", "/c/share", "cid", "CID", "manage"),
    Route("POST", "/c/share", "cid", "CID", "manage", (("gid", "<STRANGER-GID>"),)),
    Route("DELETE", "/c/share", "cid", "CID", "manage", (("gid", "<GROUP>"),)),
    Route("PUT", "/v/efi", "catalog", "CID", "create", (("name", "<NAME>"), *MACHINE)),
    Route("GET", "/v", "vmid", "VMID", "view"),
    Route("DELETE", "/v", "vmid", "VMID", "remove"),
    Route("GET", "/v/state", "vmid", "VMID", "any"),
    Route("POST", "/v/state", "vmid", "VMID", "state", (("state", "RUNNING"),)),
    Route("GET", "/v/log", "vmid", "VMID", "interact"),
    Route("GET", "/r", "rid", "STID", "group"),
    Route("DELETE", "/r", "rid", "STID", "group"),
]


@pytest.fixture(scope="module")
def people(mock_server):
    return People(mock_server)


def shares_of(route: Route, caller: str) -> tuple[str, ...]:
    """What the catalog is shared with this caller for."""
    if caller == "holder":
        return ("view",) if route.needs in ("any", "catalogmanager", "group") else (route.needs,)
    if caller == "lacking" and route.needs not in ("any", "group"):
        return tuple(permission for permission in PERMISSIONS if permission != route.needs)
    return ()


def expected(route: Route, caller: str, target: str) -> int:
    if caller in ("none", "invalid"):
        return 401
    if target == "malformed":
        return 400
    if route.needs == "catalogmanager" and caller in ("stranger", "lacking"):
        return 401  # whatever it names: who may not do it at all is not told what there is
    if target == "absent" or (target == "foreign" and caller != "root"):
        return 404
    if caller in ("root", "owner"):
        return route.done
    if caller == "stranger" or not shares_of(route, caller) or route.needs == "group":
        return 404
    return route.done if caller == "holder" else 401


def person_of(route: Route, caller: str) -> str | None:
    """A person for each kind, and another where the kind needs a membership."""
    if caller == "holder" and route.needs == "catalogmanager":
        return "catalogmanager-holder"
    return {"none": None, "invalid": "nobody"}.get(caller, caller)


def send(route: Route, caller: str, target: str, people: People, world: World):
    server, name = people.server, person_of(route, caller)
    permissions = shares_of(route, caller)
    if permissions:
        world.shared(name, *permissions)
    gid = people[name].group if permissions else 0
    if route.path == "/c/share" and route.method == "DELETE" and target in ("own", "foreign") and not permissions:
        gid = world["STRANGER-GID"]  # there must be one to revoke
        flags = dict.fromkeys(PERMISSIONS, False)
        thing = world["CID" if target == "own" else "FOREIGN-CID"]
        server.call("POST", "/c/share", {"cid": thing, "gid": gid, **flags}).expect(200)
    identifier = world[{"own": route.thing, "foreign": f"FOREIGN-{route.thing}"}.get(target, target.upper())]
    more = {field: world.fill(value).replace("<GROUP>", str(gid)) if isinstance(value, str) and value != "<GROUP>" else
            (gid if value == "<GROUP>" else value) for field, value in route.more}
    answer = server.call(route.method, route.path, {route.field: identifier, **more}, key=people.key(name))
    return answer, identifier


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_caller_may_do_what_its_rights_say(route, caller, mock_server, people):
    seen = {}
    for target in TARGETS:
        answer, identifier = send(route, caller, target, people, World(mock_server, people))
        assert answer.status == expected(route, caller, target), f"{target}: {answer.text}"
        seen[target] = (answer, identifier)
    if caller == "root":
        return
    assert plain(*seen["foreign"]) == plain(*seen["absent"]), "another's thing can be told from none"


def plain(answer, identifier: str):
    """The answer without what is allowed to differ: the id that was asked for, the request's id and the date."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    body = re.sub(rb'"request_id":"[^"]*"', b"", answer.body.replace(identifier.encode(), b"<id>"))
    return answer.status, headers, body


# /u asks for groups instead of catalogs.

ADMINISTRATION = [
    # method, path, fields, who may beside root, and whether everybody may for oneself
    ("PUT", "/u/user", {"username": "<NAME>", "password": "a long password"}, "manager"),
    ("POST", "/u/user", {"uid": "<UID>"}, "manager"),
    ("POST", "/u/user", {"uid": "<ABSENT-NUMBER>"}, "manager"),
    ("DELETE", "/u/user", {"uid": "<NEW-UID>"}, "manager"),
    ("DELETE", "/u/user", {"uid": "<ABSENT-NUMBER>"}, "manager"),
    ("GET", "/u/user/groups", {"uid": "<UID>"}, "manager"),
    ("GET", "/u/user/groups", {"uid": "<ABSENT-NUMBER>"}, "manager"),
    ("GET", "/u/user/list", {}, "manager"),
    ("PUT", "/u/group", {"groupname": "<NAME>"}, "manager"),
    ("DELETE", "/u/group", {"gid": "<NEW-GID>"}, "manager"),
    ("DELETE", "/u/group", {"gid": "<ABSENT-NUMBER>"}, "manager"),
    ("GET", "/u/group/list", {}, "manager"),
    ("PUT", "/u/group/assign", {"uid": "<NEW-UID>", "groups": ["<NEW-GID>"]}, "manager"),
    ("PUT", "/u/group/assign", {"uid": "<ABSENT-NUMBER>", "groups": [2]}, "manager"),
    ("DELETE", "/u/group/assign", {"uid": "<NEW-UID>", "groups": ["<NEW-GID>"]}, "manager"),
    ("DELETE", "/u/group/assign", {"uid": "<ABSENT-NUMBER>", "groups": [2]}, "manager"),
    ("PUT", "/c", {"group": "<GID>", "label": "<NAME>"}, "owner"),
    ("PUT", "/c", {"group": "<ABSENT-NUMBER>", "label": "<NAME>"}, "owner"),
    ("PUT", "/r/disk-image", {"group": "<GID>", "label": "<NAME>", "size_mb": 1}, "owner"),
    ("PUT", "/r/disk-image", {"group": "<ABSENT-NUMBER>", "label": "<NAME>", "size_mb": 1}, "owner"),
]


@pytest.mark.parametrize("method, path, fields, allowed", ADMINISTRATION,
                         ids=[f"{method} {path} {' '.join(map(str, fields.values()))}" for method, path, fields, _ in ADMINISTRATION])
def test_only_members_of_its_group_may_administer(method, path, fields, allowed, mock_server, people):
    absent = "<ABSENT-NUMBER>" in fields.values()
    for caller in (None, "nobody", "viewer", allowed, "root"):
        world = World(mock_server, people)
        values = {name: [world.fill(str(entry)) for entry in value] if isinstance(value, list) else world.fill(str(value))
                  for name, value in fields.items()}
        answer = mock_server.call(method, path, values, key=people.key(caller))
        if caller in (None, "nobody"):
            assert answer.status == 401, answer.text
        elif caller == "viewer":
            denied = 403 if path.startswith("/u") else 401 if path == "/c" else 404
            assert answer.status == denied, answer.text
        else:
            assert answer.status == (404 if absent else 200), answer.text


NUMBERED = [
    ("POST", "/u/user", "uid", {}),
    ("DELETE", "/u/user", "uid", {}),
    ("GET", "/u/user/groups", "uid", {}),
    ("DELETE", "/u/group", "gid", {}),
    ("PUT", "/u/group/assign", "uid", {"groups": [2]}),
    ("DELETE", "/u/group/assign", "uid", {"groups": [2]}),
    ("PUT", "/c", "group", {"label": "x"}),
    ("PUT", "/r/disk-image", "group", {"label": "x", "size_mb": 1}),
]


@pytest.mark.parametrize("method, path, field, more", NUMBERED, ids=[f"{method} {path}" for method, path, _, _ in NUMBERED])
def test_a_malformed_number_is_named_whoever_asks(method, path, field, more, mock_server, people):
    for caller in (None, "nobody", "stranger", "manager", "root"):
        for malformed in ("not-a-number", "1e3", -1, 1.5, True, [1], 2**63):
            answer = mock_server.call(method, path, {field: malformed, **more}, key=people.key(caller))
            assert answer.status == (401 if caller in (None, "nobody") else 400), answer.text
            if answer.status == 400:
                assert f"/{field}" in [problem["path"] for problem in answer.json["problems"]], answer.text


@pytest.fixture(scope="module")
def expired():
    """A server that was away while the time of its owner's authkey ran out, and the owner's things by their names in world.py."""
    with velocity.Server(hypervisor="test:///default") as server:
        people = People(server)
        world = World(server, people)
        key = people["owner"].key
        own = {thing: world[thing] for thing in {route.thing for route in ROUTES}}
        more = {route: {field: world.fill(str(value)) for field, value in route.more if value != "<GROUP>"} for route in ROUTES}
        server.call("GET", "/c", key=key, cid=own["CID"]).expect(200)
        server.stop()
        with sqlite3.connect(server.state_directory / "velocity.db") as database:
            database.execute("UPDATE authkeys SET expires = ? WHERE uid = ?", (int(time.time()) - 1, people["owner"].uid))
        database.close()
        yield server.start(), key, own, more


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_an_expired_authkey_is_none_for_what_it_could_do(route, expired):
    server, key, own, more = expired
    answer = server.call(route.method, route.path, {route.field: own[route.thing], **more[route]}, key=key)
    assert (answer.status, answer.json["code"]) == (401, "auth.expired")
    in_body = server.call(route.method, route.path, {"authkey": key, route.field: own[route.thing], **more[route]}, key=None)
    assert (in_body.status, in_body.json["code"]) == (401, "auth.expired")


@pytest.mark.parametrize("method, path", [("PUT", "/c"), ("GET", "/c"), ("GET", "/r"), ("GET", "/r/types"), ("PUT", "/r/disk-image"),
                                          ("GET", "/v"), ("GET", "/v/types")])
def test_an_expired_authkey_lists_and_makes_nothing(method, path, expired):
    server, key, _, _ = expired
    answer = server.call(method, path, {"group": 0, "label": "x", "size_mb": 1} if method == "PUT" else {}, key=key)
    assert (answer.status, answer.json["code"]) == (401, "auth.expired")


def test_an_expired_authkey_can_neither_be_renewed_nor_upload(expired):
    server, key, _, _ = expired
    answer = server.call("PATCH", "/u/auth", {"authkey": key}, key=None)
    assert (answer.status, answer.json["code"]) == (403, "auth.refused")
    answer = server.create_upload(1 << 20, "late", key=key)
    assert (answer.status, answer.json["code"]) == (401, "auth.expired")
    server.call("DELETE", "/u/auth", {"authkey": key}, key=None).expect(200)
