"""What is lent, limited, rehearsed and sent twice: /r/share, /u/group/quota, dry_run, Idempotency-Key."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from contract import ERROR, Row, check, efi, parameters

QUOTA = {"gid", "limits", "taken"}

SHARES = [
    Row(200, "GET", "/r/share", '{"authkey": "<authkey>", "rid": "<STID>"}', {"rid": "<STID>", "shares": []}),
    Row(200, "GET", "/r/share", '{"authkey": "<authkey>", "stid": "<STID>"}', {"rid", "shares"}, "owner", "under its other name"),
    Row(401, "GET", "/r/share", '{"authkey": "<authkey>", "rid": "<LENT-STID>"}', who="stranger", why="may use it only"),
    Row(404, "GET", "/r/share", '{"authkey": "<authkey>", "rid": "<FOREIGN-STID>"}', who="owner"),
    Row(404, "GET", "/r/share", '{"authkey": "<authkey>", "rid": "<ABSENT>"}'),
    Row(400, "GET", "/r/share", '{"authkey": "<authkey>", "rid": "<MALFORMED>"}', ERROR | {"problems"}),

    Row(200, "POST", "/r/share", '{"authkey": "<authkey>", "rid": "<STID>", "gid": "<STRANGER-GID>", "use": true}',
        {"rid": "<STID>", "use": True, "manage": False}),
    Row(200, "POST", "/r/share", '{"authkey": "<authkey>", "rid": "<STID>", "gid": "<STRANGER-GID>", "manage": true}',
        {"use": True, "manage": True}, "owner", "who manages may use"),
    Row(401, "POST", "/r/share", '{"authkey": "<authkey>", "rid": "<LENT-STID>", "gid": "<STRANGER-GID>", "manage": true}', who="stranger"),
    Row(404, "POST", "/r/share", '{"authkey": "<authkey>", "rid": "<FOREIGN-STID>", "gid": "<STRANGER-GID>", "use": true}', who="owner"),
    Row(404, "POST", "/r/share", '{"authkey": "<authkey>", "rid": "<STID>", "gid": "<ABSENT-NUMBER>", "use": true}', why="no such group"),
    Row(400, "POST", "/r/share", '{"authkey": "<authkey>", "rid": "<STID>", "gid": "<STRANGER-GID>"}', ERROR | {"problems"}, why="neither right"),
    Row(400, "POST", "/r/share", '{"authkey": "<authkey>", "rid": "x", "gid": -1, "use": 7}', ERROR | {"problems"}, why="all of it wrong"),

    Row(200, "DELETE", "/r/share", '{"authkey": "<authkey>", "rid": "<LENT-STID>", "gid": "<STRANGER-GID>"}', {"rid", "gid"}),
    Row(401, "DELETE", "/r/share", '{"authkey": "<authkey>", "rid": "<LENT-STID>", "gid": "<STRANGER-GID>"}', who="stranger"),
    Row(404, "DELETE", "/r/share", '{"authkey": "<authkey>", "rid": "<STID>", "gid": "<STRANGER-GID>"}', {"code": "share.not_found"}),
    Row(400, "DELETE", "/r/share", '{"authkey": "<authkey>", "rid": "<STID>"}', ERROR | {"problems"}, why="whose?"),
    Row(404, "DELETE", "/r/share", '{"authkey": "<authkey>", "rid": "<ABSENT>", "gid": "<STRANGER-GID>"}', {"code": "resource.not_found"}),

    Row(200, "GET", "/r", '{"authkey": "<authkey>", "rid": "<LENT-STID>"}', {"rid": "<LENT-STID>"}, "stranger", "what is lent is seen"),
    Row(401, "DELETE", "/r", '{"authkey": "<authkey>", "rid": "<LENT-STID>"}', {"code": "resource.denied"}, "stranger", "and not removed"),
]

QUOTAS = [
    Row(200, "GET", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<GID>"}', QUOTA),
    Row(200, "GET", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<GID>"}', QUOTA, "owner", "its own group"),
    Row(200, "GET", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<GID>"}', QUOTA, "keeper", "a poolmanager"),
    Row(404, "GET", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<FOREIGN-GID>"}', {"code": "group.not_found"}, "owner"),
    Row(404, "GET", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<ABSENT-NUMBER>"}', {"code": "group.not_found"}),
    Row(400, "GET", "/u/group/quota", '{"authkey": "<authkey>", "gid": "x"}', ERROR | {"problems"}),
    Row(200, "POST", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<NEW-GID>", "vcpus": 8, "memory_mb": null, "vms": "3"}',
        {"limits": {"vcpus": 8, "memory_mb": None, "storage_mb": None, "vms": 3}}, "keeper"),
    Row(401, "POST", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<GID>", "vcpus": 800}', {"code": "quota.denied"}, "owner"),
    Row(401, "POST", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<ABSENT-NUMBER>", "vcpus": 8}', {"code": "quota.denied"}, "owner",
        "rights come before existence"),
    Row(404, "POST", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<ABSENT-NUMBER>", "vcpus": 8}', {"code": "group.not_found"}, "keeper"),
    Row(400, "POST", "/u/group/quota", '{"authkey": "<authkey>", "gid": "<NEW-GID>", "vcpus": -1, "memory_mb": 1.5}', ERROR | {"problems"}),
]

REHEARSALS = [
    Row(200, "PUT", "/v/efi", efi(dry_run=True), {"dry_run": True, "name": "<NAME>", "domain_xml": ...}, why="root sees the XML"),
    Row(401, "PUT", "/v/efi", efi(dry_run=True), who="viewer", why="no create"),
    Row(404, "PUT", "/v/efi", efi(dry_run=True, storage_devices=["<ABSENT>"]), {"code": "resource.not_found"}),
    Row(409, "PUT", "/v/efi", efi(dry_run=True, name="<TAKEN-MACHINE>"), {"code": "machine.name_taken"}),
    Row(400, "PUT", "/v/efi", efi(dry_run="perhaps"), ERROR | {"problems"}),
    Row(200, "PUT", "/r/disk-image", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "size_mb": 5, "dry_run": true}',
        {"dry_run": True, "size_mb": 5, "label": "<NAME>"}),
    Row(400, "PUT", "/r/disk-image", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "size_mb": 0, "dry_run": true}',
        ERROR | {"problems"}),
    Row(404, "PUT", "/r/disk-image", '{"authkey": "<authkey>", "group": "<FOREIGN-GID>", "label": "<NAME>", "size_mb": 5, "dry_run": true}',
        who="owner"),
]


@pytest.mark.parametrize("row", parameters(SHARES + QUOTAS + REHEARSALS))
def test_the_api_answers_as_documented(row, request):
    check(row, request)


def limit(server, gid, **limits):
    server.call("POST", "/u/group/quota", gid=gid, **limits).expect(200)


@pytest.mark.covers("PUT /v/<type> 406", "PATCH /v 406", "PUT /v/clone 406", "POST /r 406", "POST /r/upload 406", "PATCH /r/upload/<id> 406")
def test_a_quota_is_told_with_its_figures_and_keeps_disks_machines_and_rehearsals(world, mock_server):
    gid = mock_server.call("PUT", "/u/group", groupname=f"limited {world.number}").expect(200).json["gid"]
    catalog = mock_server.catalog(f"limited {world.number}", gid)
    limit(mock_server, gid, storage_mb=10, vms=1, vcpus=1)
    first = mock_server.disk("first", gid, 8)
    refused = mock_server.call("PUT", "/r/disk-image", group=gid, label="second", size_mb=3).expect(406).json
    assert refused["code"] == "quota.exceeded"
    assert (refused["quota"], refused["limit"], refused["taken"], refused["wanted"]) == ("storage_mb", "10", "8", "3")
    mock_server.call("PUT", "/r/disk-image", group=gid, label="second", size_mb=3, dry_run=True).expect(406)
    assert mock_server.call("POST", "/r", rid=first, size_mb=11).expect(406).json["quota"] == "storage_mb"
    refused = mock_server.create_upload(3 << 20, "too much", gid).expect(406).json
    assert (refused["quota"], refused["taken"], refused["wanted"]) == ("storage_mb", "8", "3")
    upload = mock_server.create_upload(2 << 20, "just enough", gid).expect(201).headers["location"]
    assert mock_server.call("GET", "/u/group/quota", gid=gid).expect(200).json["taken"]["storage_mb"] == 10
    limit(mock_server, gid, storage_mb=9, vms=1, vcpus=1)
    assert mock_server.append_upload(upload, 0, bytes(2 << 20)).expect(406).json["quota"] == "storage_mb"
    mock_server.request("DELETE", upload, headers={"Authorization": f"Bearer {mock_server.root_key()}", "Tus-Resumable": "1.0.0"}).expect(204)
    limit(mock_server, gid, storage_mb=10, vms=1, vcpus=1)
    only = mock_server.machine("only", catalog)
    for dry_run in (True, False):
        assert mock_server.call("PATCH", "/v", vmid=only, cpu_count=2, dry_run=dry_run).expect(406).json["quota"] == "vcpus"
        assert mock_server.call("PUT", "/v/clone", vmid=only, name="second", catalog=catalog, dry_run=dry_run).expect(406).json["code"] == "quota.exceeded"
    refused = mock_server.call("PUT", "/v/efi", name="more", catalog=catalog, cpu_count=1, memory_size_mb=64).expect(406).json
    assert refused["code"] == "quota.exceeded"
    taken = mock_server.call("GET", "/u/group/quota", gid=gid).expect(200).json["taken"]
    assert taken == {"vcpus": 1, "memory_mb": 128, "storage_mb": 8, "vms": 1}


def test_a_rehearsal_makes_nothing(world, mock_server):
    catalog = world["CID"]
    mock_server.call("PUT", "/v/efi", name="imagined", catalog=catalog, cpu_count=1, memory_size_mb=64, dry_run=True).expect(200)
    assert mock_server.call("GET", "/v", catalog=catalog).expect(200).json["machines"] == []
    hidden = mock_server.call("PUT", "/v/efi", name="imagined", catalog=catalog, cpu_count=1, memory_size_mb=64, dry_run=True,
                              key=world.people["owner"].key).expect(200).json
    assert "domain_xml" not in hidden and "vmid" not in hidden


def test_a_rehearsed_change_and_a_rehearsed_clone_change_nothing(world, mock_server):
    vmid = world["DISKED-VMID"]
    before = [mock_server.call("GET", path).expect(200).json for path in ("/v", "/r")]
    changed = mock_server.call("PATCH", "/v", vmid=vmid, name=f"imagined {world.number}", memory_size_mb=96, storage_devices=[], dry_run=True).expect(200).json
    assert changed["changes"] == {"name": "live", "memory_size_mb": "next_start", "storage_devices": "next_start"}
    assert changed["memory_size_mb"] == 96 and changed["vmid"] == vmid
    clone = mock_server.call("PUT", "/v/clone", vmid=vmid, name=f"imagined {world.number}", catalog=world["CID"], dry_run=True,
                             key=world.people["owner"].key).expect(200).json
    assert "vmid" not in clone and "domain_xml" not in clone and clone["storage_devices"] == []
    assert [(disk["label"], disk["size_mb"], "stid" in disk) for disk in clone["disks"]] == \
        [(f"imagined {world.number} disk {number}", 1, False) for number in (1, 2)]
    assert [mock_server.call("GET", path).expect(200).json for path in ("/v", "/r")] == before


def put(server, path, fields, key):
    headers = {"Authorization": f"Bearer {server.root_key()}", "Idempotency-Key": key}
    return server.request("PUT", path, json.dumps(fields).encode(), headers)


def test_a_retry_is_answered_as_the_first_try_was(world, mock_server):
    for path, fields in (("/v/efi", {"name": "once", "catalog": world["CID"], "cpu_count": 1, "memory_size_mb": 64, "rosetta": True}),
                         ("/r/disk-image", {"group": world["GID"], "label": f"once {world.number}", "size_mb": 1}),
                         ("/c", {"group": 0, "label": f"once {world.number}"}),
                         ("/u/group", {"groupname": f"once {world.number}"})):
        key = str(uuid.uuid4())
        first = put(mock_server, path, fields, key)
        again = put(mock_server, path, fields, key)
        assert first.expect(200).json == again.expect(200).json, path
    refused = {"name": "once", "catalog": world["CID"], "cpu_count": 1, "memory_size_mb": 64}
    key = str(uuid.uuid4())
    assert put(mock_server, "/v/efi", refused, key).expect(409).json == put(mock_server, "/v/efi", refused, key).expect(409).json


def test_a_key_that_comes_with_another_request_is_refused(world, mock_server):
    key = str(uuid.uuid4())
    put(mock_server, "/c", {"group": 0, "label": f"a {world.number}"}, key).expect(200)
    assert put(mock_server, "/c", {"group": 0, "label": f"b {world.number}"}, key).expect(422).json["code"] == "request.key_reused"
    assert put(mock_server, "/c", {"group": 0, "label": f"b {world.number}"}, "a key").expect(400).json["problems"]


def test_many_retries_at_once_make_one(world, own_server):
    server = own_server(hypervisor="test:///default")
    fields = {"group": 0, "label": "one of many", "size_mb": 1}
    key = server.root_key()

    def once(_):
        return server.curl("PUT", "/r/disk-image", {**fields, "authkey": key}, "-H", "Idempotency-Key: the-same")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(once, range(32)))
    assert {answer.status for answer in answers} <= {200, 409}
    assert {answer.json["rid"] for answer in answers if answer.status == 200} == {server.call("GET", "/r").json["resources"][0]["rid"]}
    assert all(answer.json["code"] == "request.in_progress" for answer in answers if answer.status == 409)


def test_what_was_made_before_a_crash_is_what_the_retry_is_told(world, own_server):
    server = own_server(hypervisor="test:///default")
    key = str(uuid.uuid4())
    first = put(server, "/r/disk-image", {"group": 0, "label": "made", "size_mb": 1}, key).expect(200).json
    server.kill()
    server.start()
    assert put(server, "/r/disk-image", {"group": 0, "label": "made", "size_mb": 1}, key).expect(200).json == first
