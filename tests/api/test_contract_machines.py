"""What can be done to a machine that exists: every documented status of PATCH /v, /v/snapshot, /v/clone, /v/stats and /v/screenshot."""

import shutil

import pytest

import velocity
from contract import ERROR, Row, check, parameters

PROBLEMS = ERROR | {"problems"}


def patch(fields: str, vmid: str = "<VMID>") -> str:
    return f'{{"authkey": "<authkey>", "vmid": "{vmid}", {fields}}}'


def named(vmid: str, name: str = "before") -> str:
    return f'{{"authkey": "<authkey>", "vmid": "{vmid}", "name": "{name}"}}'


ALTERATIONS = [
    Row(200, "PATCH", "/v", patch('"name": "<NAME>"'), {"vmid": "<VMID>", "name": "<NAME>", "changes": {"name": "live"}}),
    Row(200, "PATCH", "/v", patch('"cpu_count": "3", "memory_size_mb": 96'),
        {"cpu_count": 3, "memory_size_mb": 96, "changes": {"cpu_count": "next_start", "memory_size_mb": "next_start"}}),
    Row(200, "PATCH", "/v", patch('"autostart": true, "displays": [{"width": 640, "height": 480}]'),
        {"autostart": True, "changes": {"autostart": "live", "displays": "next_start"}}),
    Row(200, "PATCH", "/v", patch('"rosetta": true'), {"changes": {"rosetta": "next_start"}, "warnings": ...}),
    Row(200, "PATCH", "/v", patch('"cpu_count": 2', "<RUNNING-VMID>"), {"state": "RUNNING", "changes": {"cpu_count": "next_start"}}, why="of a running one"),
    Row(200, "PATCH", "/v", patch('"storage_devices": ["<STID>"]'), {"storage_devices": ..., "changes": {"storage_devices": "next_start"}}),
    Row(200, "PATCH", "/v", patch('"storage_devices": ["<BOOT-STID>"]', "<DISKED-VMID>"), {"changes": {"storage_devices": "next_start"}}, why="a disk goes"),
    Row(200, "PATCH", "/v", patch('"storage_devices": []', "<DISKED-VMID>"), {"storage_devices": [], "changes": ...}, why="of a stopped one the boot disk, too"),
    Row(200, "PATCH", "/v", '{"authkey": "<authkey>", "vmid": "<VMID>"}', {"vmid": "<VMID>", "changes": {}}, why="nothing at all"),
    Row(200, "PATCH", "/v", patch('"name": "<NAME>"'), {"name": "<NAME>"}, "alterer"),
    Row(400, "PATCH", "/v", '{"authkey": "<authkey>", "name": "x"}', PROBLEMS, why="which one?"),
    Row(400, "PATCH", "/v", patch('"cpu_count": 0'), PROBLEMS),
    Row(400, "PATCH", "/v", patch('"memory_size_mb": 99999999999999999999'), PROBLEMS),
    Row(400, "PATCH", "/v", patch('"name": "a/b"'), PROBLEMS),
    Row(400, "PATCH", "/v", patch('"storage_devices": ["/etc/passwd"]'), PROBLEMS, why="a path where an id is asked for"),
    Row(400, "PATCH", "/v", patch('"storage_devices": ["<STID>", "<STID>"]'), PROBLEMS, why="a disk twice"),
    Row(400, "PATCH", "/v", patch('"storage_devices": [{"stid": "<STID>", "bus": "floppy"}]'), PROBLEMS, why="no such bus"),
    Row(400, "PATCH", "/v", patch('"displays": [{"width": 0}]'), PROBLEMS),
    Row(401, "PATCH", "/v", patch('"name": "<NAME>"'), who="viewer", why="no alter"),
    Row(401, "PATCH", "/v", '{"vmid": "<VMID>", "name": "<NAME>"}', why="no authkey"),
    Row(401, "PATCH", "/v", patch('"name": "<NAME>"'), who="nobody", why="an authkey that is none"),
    Row(200, "PATCH", "/v", patch('"dry_run": true, "name": "<NAME>", "cpu_count": 3'),
        {"dry_run": True, "name": "<NAME>", "cpu_count": 3, "changes": {"name": "live", "cpu_count": "next_start"}, "domain_xml": ...}),
    Row(200, "PATCH", "/v", patch('"dry_run": true, "storage_devices": ["<STID>"]'), {"dry_run": True, "changes": {"storage_devices": "next_start"}}, "owner"),
    Row(400, "PATCH", "/v", patch('"dry_run": true, "cpu_count": 0'), PROBLEMS),
    Row(400, "PATCH", "/v", patch('"cpus": 2'), PROBLEMS, why="no such field"),
    Row(401, "PATCH", "/v", patch('"dry_run": true, "cpu_count": 3'), who="viewer", why="no alter"),
    Row(404, "PATCH", "/v", patch('"dry_run": true, "storage_devices": ["<ABSENT>"]'), {"code": "resource.not_found"}),
    Row(409, "PATCH", "/v", patch('"dry_run": true, "storage_devices": ["<SECOND-STID>"]', "<RUNNING-DISKED-VMID>"), {"code": "machine.boot_disk"}),
    Row(404, "PATCH", "/v", patch('"name": "<NAME>"', "<ABSENT>")),
    Row(404, "PATCH", "/v", patch('"name": "<NAME>"', "<FOREIGN-VMID>"), who="owner", why="another's"),
    Row(404, "PATCH", "/v", patch('"catalog": "<ABSENT>"'), {"code": "catalog.not_found", "rid": "<ABSENT>"}),
    Row(404, "PATCH", "/v", patch('"catalog": "<FOREIGN-CID>"'), {"code": "catalog.not_found", "type": "catalog"}, "owner"),
    Row(404, "PATCH", "/v", patch('"storage_devices": ["<ABSENT>"]'), {"code": "resource.not_found", "rid": "<ABSENT>"}),
    Row(404, "PATCH", "/v", patch('"storage_devices": ["<FOREIGN-STID>"]'), {"code": "resource.not_found", "rid": "<FOREIGN-STID>"}, "owner"),
    Row(404, "PATCH", "/v", patch('"nics": ["<ABSENT>"]'), {"code": "resource.not_found", "type": "nic"}),
    Row(409, "PATCH", "/v", patch('"name": "<TAKEN-MACHINE>"', "<DISKED-VMID>"), {"code": "machine.name_taken", "vmid": "<VMID>"}),
    Row(409, "PATCH", "/v", patch('"storage_devices": ["<USED-STID>"]'), {"code": "resource.in_use"}),
    Row(409, "PATCH", "/v", patch('"storage_devices": ["<SECOND-STID>"]', "<RUNNING-DISKED-VMID>"), {"code": "machine.boot_disk", "rid": "<BOOT-STID>"},
        why="the boot disk of a running one"),
    Row(409, "PATCH", "/v", patch('"storage_devices": []', "<KEPT-VMID>"), {"code": "resource.in_use", "rid": "<BOOT-STID>"},
        why="a disk that a snapshot needs"),
]

SNAPSHOTS = [
    Row(200, "GET", "/v/snapshot", '{"authkey": "<authkey>", "vmid": "<VMID>"}', {"vmid": "<VMID>", "snapshots": []}),
    Row(200, "GET", "/v/snapshot", '{"authkey": "<authkey>", "vmid": "<KEPT-VMID>"}', {"snapshots": ...}, "viewer"),
    Row(200, "PUT", "/v/snapshot", named("<DISKED-VMID>", "a"), {"vmid": "<DISKED-VMID>", "name": "a", "memory": False, "created": ...}),
    Row(200, "PUT", "/v/snapshot", named("<VMID>", "a"), {"name": "a"}, "alterer"),
    Row(200, "POST", "/v/snapshot", named("<KEPT-VMID>"), {"vmid": "<KEPT-VMID>", "name": "before", "state": "STOPPED"}),
    Row(200, "DELETE", "/v/snapshot", named("<KEPT-VMID>"), None),
    Row(400, "GET", "/v/snapshot", '{"authkey": "<authkey>"}', PROBLEMS),
    Row(400, "PUT", "/v/snapshot", '{"authkey": "<authkey>", "vmid": "<VMID>"}', PROBLEMS, why="no name"),
    Row(400, "PUT", "/v/snapshot", named("<VMID>", "../x"), PROBLEMS, why="a path for a name"),
    Row(400, "PUT", "/v/snapshot", '{"authkey": "<authkey>", "vmid": "<VMID>", "name": "a", "dry_run": true}', PROBLEMS, why="it is not rehearsed"),
    Row(400, "POST", "/v/snapshot", named("<MALFORMED>"), PROBLEMS),
    Row(400, "DELETE", "/v/snapshot", '{"authkey": "<authkey>", "vmid": "<KEPT-VMID>"}', PROBLEMS, why="no name"),
    Row(401, "PUT", "/v/snapshot", named("<VMID>", "a"), who="viewer", why="no alter"),
    Row(401, "POST", "/v/snapshot", named("<KEPT-VMID>"), who="viewer", why="no alter"),
    Row(401, "DELETE", "/v/snapshot", named("<KEPT-VMID>"), who="viewer", why="no alter"),
    Row(401, "GET", "/v/snapshot", '{"authkey": "<authkey>", "vmid": "<VMID>"}', who="alterer", why="no view"),
    Row(404, "GET", "/v/snapshot", '{"authkey": "<authkey>", "vmid": "<FOREIGN-VMID>"}', who="owner"),
    Row(404, "PUT", "/v/snapshot", named("<ABSENT>"), {"code": "machine.not_found"}),
    Row(404, "POST", "/v/snapshot", named("<VMID>"), {"code": "snapshot.not_found"}),
    Row(404, "DELETE", "/v/snapshot", named("<VMID>"), {"code": "snapshot.not_found"}),
    Row(409, "PUT", "/v/snapshot", named("<KEPT-VMID>"), {"code": "snapshot.name_taken"}),
    Row(409, "POST", "/v/snapshot", named("<RUNNING-KEPT-VMID>"), {"code": "machine.running"}, why="its disks are written"),
    Row(409, "DELETE", "/v/snapshot", named("<RUNNING-KEPT-VMID>"), {"code": "machine.running"}, why="its disks are written"),
    Row(409, "PUT", "/v/snapshot", named("<RAW-VMID>"), {"code": "snapshot.impossible", "rid": "<RAW-STID>"}, why="a raw disk"),
]



def clone(vmid: str, more: str = "") -> str:
    return f'{{"authkey": "<authkey>", "vmid": "{vmid}", "name": "<NAME>", "catalog": "<CID>"{more}}}'


CLONES = [
    Row(200, "PUT", "/v/clone", clone("<DISKED-VMID>"), {"vmid"}),
    Row(200, "PUT", "/v/clone", clone("<DISKED-VMID>"), {"vmid"}, "owner"),
    Row(200, "PUT", "/v/clone", clone("<TEMPLATE-VMID>", ', "linked": true'), {"vmid"}, why="linked"),
    Row(200, "PUT", "/v/clone", clone("<DISKED-VMID>", ', "dry_run": true'), {"dry_run": True, "name": "<NAME>", "disks": ..., "domain_xml": ...}),
    Row(200, "PUT", "/v/clone", clone("<TEMPLATE-VMID>", ', "linked": true, "dry_run": true'), {"dry_run": True, "storage_devices": []}, "owner"),
    Row(401, "PUT", "/v/clone", clone("<DISKED-VMID>", ', "dry_run": true'), who="viewer", why="no create"),
    Row(404, "PUT", "/v/clone", clone("<ABSENT>", ', "dry_run": true'), {"code": "machine.not_found"}),
    Row(409, "PUT", "/v/clone", clone("<DISKED-VMID>", ', "dry_run": true, "linked": true'), {"code": "resource.in_use"}, why="linked to what is written"),
    Row(400, "PUT", "/v/clone", '{"authkey": "<authkey>", "vmid": "<VMID>"}', PROBLEMS, why="neither name nor catalog"),
    Row(400, "PUT", "/v/clone", clone("<MALFORMED>"), PROBLEMS),
    Row(400, "PUT", "/v/clone", clone("<VMID>", ', "linked": "perhaps"'), PROBLEMS),
    Row(401, "PUT", "/v/clone", clone("<VMID>"), who="viewer", why="no create"),
    Row(401, "PUT", "/v/clone", clone("<VMID>"), who="alterer", why="no view"),
    Row(404, "PUT", "/v/clone", clone("<ABSENT>"), {"code": "machine.not_found"}),
    Row(404, "PUT", "/v/clone", clone("<FOREIGN-VMID>"), {"code": "machine.not_found"}, "owner"),
    Row(404, "PUT", "/v/clone", '{"authkey": "<authkey>", "vmid": "<VMID>", "name": "<NAME>", "catalog": "<ABSENT>"}', {"code": "catalog.not_found"}),
    Row(409, "PUT", "/v/clone", clone("<RUNNING-DISKED-VMID>"), {"code": "machine.running", "vmid": "<RUNNING-DISKED-VMID>"}, why="of a running disk"),
    Row(409, "PUT", "/v/clone", clone("<DISKED-VMID>", ', "linked": true'), {"code": "resource.in_use"}, why="linked to what is written"),
    Row(409, "PUT", "/v/clone", '{"authkey": "<authkey>", "vmid": "<VMID>", "name": "<TAKEN-MACHINE>", "catalog": "<CID>"}', {"code": "machine.name_taken"}),
]

WATCH = [
    Row(200, "GET", "/v/stats", '{"authkey": "<authkey>", "vmid": "<VMID>"}', {"vmid": "<VMID>", "state": "STOPPED", "taken": ...}),
    Row(200, "GET", "/v/stats", '{"authkey": "<authkey>", "vmid": "<RUNNING-VMID>"}', {"state": "RUNNING", "taken": ...}),
    Row(401, "GET", "/v", '{"authkey": "<authkey>", "vmid": "<VMID>"}', who="alterer", why="no view"),
    Row(400, "GET", "/v/stats", '{"authkey": "<authkey>", "vmid": "<MALFORMED>"}', PROBLEMS),
    Row(401, "GET", "/v/stats", '{"authkey": "<authkey>", "vmid": "<VMID>"}', who="alterer", why="no view"),
    Row(404, "GET", "/v/stats", '{"authkey": "<authkey>", "vmid": "<FOREIGN-VMID>"}', who="owner"),
    Row(400, "GET", "/v/screenshot", '{"authkey": "<authkey>", "vmid": "<SEEN-VMID>", "display": -1}', PROBLEMS),
    Row(401, "GET", "/v/screenshot", '{"authkey": "<authkey>", "vmid": "<SEEN-VMID>"}', who="alterer", why="no view"),
    Row(404, "GET", "/v/screenshot", '{"authkey": "<authkey>", "vmid": "<ABSENT>"}', {"code": "machine.not_found"}),
    Row(404, "GET", "/v/screenshot", '{"authkey": "<authkey>", "vmid": "<SEEN-VMID>", "display": 1}', {"code": "display.not_found"}),
    Row(409, "GET", "/v/screenshot", '{"authkey": "<authkey>", "vmid": "<SEEN-VMID>", "display": "0"}', {"code": "machine.not_running"}),
    Row(404, "GET", "/v/screenshot", '{"authkey": "<authkey>", "vmid": "<RUNNING-VMID>"}', {"code": "display.not_found"}, why="it has no display"),
]


@pytest.mark.parametrize("row", parameters(ALTERATIONS + SNAPSHOTS + CLONES + WATCH))
def test_the_api_answers_as_documented(row, request):
    if row.who == "alterer":
        request.getfixturevalue("world").shared("alterer", "alter")
    check(row, request)


def test_what_a_refused_alteration_asked_for_is_not_there(world, mock_server):
    vmid = world["RUNNING-DISKED-VMID"]
    before = mock_server.call("GET", "/v", vmid=vmid).expect(200).json
    mock_server.call("PATCH", "/v", vmid=vmid, name="other", cpu_count=7, storage_devices=[]).expect(409)
    assert mock_server.call("GET", "/v", vmid=vmid).expect(200).json == before


def test_a_machine_can_be_sent_back_as_it_was_shown(world, mock_server):
    shown = mock_server.call("GET", "/v", vmid=world["DISKED-VMID"]).expect(200).json
    assert mock_server.call("PATCH", "/v", shown).expect(200).json["changes"] == {}


def test_the_number_of_snapshots_of_a_machine_is_bounded(world, mock_server):
    vmid = world["VMID"]
    statuses = [mock_server.call("PUT", "/v/snapshot", vmid=vmid, name=f"s{number}").status for number in range(33)]
    assert statuses == [200] * 32 + [409]
    names = [entry["name"] for entry in mock_server.call("GET", "/v/snapshot", vmid=vmid).expect(200).json["snapshots"]]
    assert len(names) == 32


def test_going_back_restores_what_the_machine_was_made_of_and_not_its_name(world, mock_server):
    vmid = world["KEPT-VMID"]
    mock_server.call("PATCH", "/v", vmid=vmid, name=f"renamed {world.number}", cpu_count=4, storage_devices=[world["BOOT-STID"], world["STID"]]).expect(200)
    mock_server.call("POST", "/v/snapshot", vmid=vmid, name="before").expect(200)
    now = mock_server.call("GET", "/v", vmid=vmid).expect(200).json
    assert (now["name"], now["cpu_count"], now["storage_devices"]) == (f"renamed {world.number}", 1, [world["BOOT-STID"]])
    mock_server.call("DELETE", "/r", rid=world["STID"]).expect(200)


def test_a_machine_goes_with_its_snapshots_and_its_disk_can_be_used_again(world, mock_server):
    mock_server.call("DELETE", "/v", vmid=world["KEPT-VMID"]).expect(200)
    again = mock_server.machine(f"again {world.number}", world["CID"], [world["BOOT-STID"]])
    assert mock_server.call("GET", "/v/snapshot", vmid=again).expect(200).json["snapshots"] == []
    mock_server.call("PUT", "/v/snapshot", vmid=again, name="before").expect(200)



@pytest.mark.covers("PATCH /v 503", "PUT /v/snapshot 503", "POST /v/snapshot 503", "DELETE /v/snapshot 503", "PUT /v/clone 503", "PUT /v/<type> 503",
                    "DELETE /v 503", "POST /v/state 503", "POST /r 503", "PUT /r/<type> 503")
def test_without_a_hypervisor_changes_are_refused_and_nothing_is_changed(own_server):
    server = own_server("--hypervisor", "test:///default")
    catalog, disk = server.catalog("c"), server.disk("d")
    vmid = server.machine("m", catalog, [disk])
    server.stop()
    server.options[server.options.index("test:///default")] = "test:///does/not/exist.xml"
    server.start()
    for method, path, fields in (("PATCH", "/v", {"vmid": vmid, "name": "other"}), ("PATCH", "/v", {"vmid": vmid, "name": "other", "dry_run": True}),
                                 ("PUT", "/v/snapshot", {"vmid": vmid, "name": "s"}), ("POST", "/v/snapshot", {"vmid": vmid, "name": "s"}),
                                 ("DELETE", "/v/snapshot", {"vmid": vmid, "name": "s"}), ("PUT", "/v/clone", {"vmid": vmid, "name": "n", "catalog": catalog}),
                                 ("PUT", "/v/efi", {"name": "n", "catalog": catalog, "cpu_count": 1, "memory_size_mb": 64}), ("DELETE", "/v", {"vmid": vmid}),
                                 ("POST", "/v/state", {"vmid": vmid, "state": "RUNNING"}),
                                 ("POST", "/r", {"rid": disk, "size_mb": 2}), ("PUT", "/r/disk-image", {"group": 0, "label": "e", "size_mb": 1})):
        refusal = server.call(method, path, fields)
        assert refusal.status == 503 and refusal.json["code"] == "hypervisor.unavailable" and refusal.headers["retry-after"], (method, path, refusal.text)
    shown = server.call("GET", "/r", rid=disk).expect(200).json
    assert shown["size_mb"] == 1 and "altering" not in shown
    assert server.call("GET", "/v", vmid=vmid).expect(200).json["name"] == "m"
    assert server.call("GET", "/v/snapshot", vmid=vmid).expect(200).json["snapshots"] == []


@pytest.mark.covers("POST /v/state 409")
def test_a_machine_whose_plugin_is_gone_is_shown_stopped_and_removed_and_nothing_else(own_server):
    server = own_server("--hypervisor", "test:///default")
    catalog = server.catalog("c")
    vmid, other = server.machine("m", catalog, autostart=True), server.machine("n", catalog)
    server.change(other, "RUNNING").expect(200)
    server.stop()
    plugins = server.home / "plugins"
    plugins.mkdir(mode=0o755)
    for file in (velocity.BUILD / "plugins").rglob("*.so"):
        if file.name != "efi.so":
            shutil.copy(file, plugins)
    server.options += ["--plugins", str(plugins)]
    server.start()
    shown = server.call("GET", "/v", vmid=vmid).expect(200).json
    assert shown["available"] is False and "efi" in shown["why_not"]
    velocity.eventually(lambda: "autostart was given up" in server.call("GET", "/v", vmid=vmid).expect(200).json.get("cause", ""), 30, what="autostart's word")
    for force in (False, True):
        refusal = server.change(vmid, "RUNNING", force=force).expect(409).json
        assert refusal["code"] == "type.unavailable" and "efi" in refusal["message"] and refusal["plugin"]
    assert server.state(vmid) == "STOPPED"
    assert server.call("PATCH", "/v", vmid=vmid, cpu_count=2).expect(409).json["code"] == "type.unavailable"
    assert server.call("PUT", "/v/clone", vmid=vmid, name="copy", catalog=catalog).expect(409).json["code"] == "type.unavailable"
    assert server.call("GET", "/v/snapshot", vmid=vmid).expect(200).json["snapshots"] == []
    for gone in (vmid, other):
        server.change(gone, "STOPPED", force=True).expect(200, 208)
        server.call("DELETE", "/v", vmid=gone).expect(200)
        server.call("GET", "/v", vmid=gone).expect(404)
