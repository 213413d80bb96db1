"""The routes and statuses of the two documents that the API comes from, with their own JSON. What a row is: tests/support/contract.py."""

from __future__ import annotations

import json
import socket
import urllib.parse

import pytest

from contract import ERROR, Row, check, efi, parameters, EFI
from world import PERMISSIONS

ALL = ", ".join(f'"{permission}": true' for permission in PERMISSIONS)

def bare(**changes: object) -> str:
    """The example without disks."""
    return efi(storage_devices=[], **changes)


CATALOGS = [
    Row(200, "PUT", "/c", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>"}', {"cid"}),
    Row(200, "PUT", "/c", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>"}', {"cid"}, "owner", "a catalogmanager in the group"),
    Row(401, "PUT", "/c", '{"authkey": "<authkey>", "group": "<STRANGER-GID>", "label": "<NAME>"}', who="stranger", why="no catalogmanager"),
    Row(404, "PUT", "/c", '{"authkey": "<authkey>", "group": "<ABSENT-NUMBER>", "label": "<NAME>"}', why="no such group"),
    Row(404, "PUT", "/c", '{"authkey": "<authkey>", "group": "<FOREIGN-GID>", "label": "<NAME>"}', who="owner", why="not in the group"),
    Row(400, "PUT", "/c", '{"authkey": "<authkey>", "group": "<GID>"}', ERROR | {"problems"}, why="no label"),
    Row(400, "PUT", "/c", '{"authkey": "<authkey>", "group": "x", "label": ""}', ERROR | {"problems"}, why="two things wrong"),
    Row(401, "PUT", "/c", '{"group": "<GID>", "label": "<NAME>"}', who=None, why="no authkey"),

    Row(200, "DELETE", "/c", '{"authkey": "<authkey>", "cid": "<CID>"}', None),
    Row(200, "DELETE", "/c", '{"authkey": "<authkey>", "cid": "<CID>"}', None, "owner"),
    Row(401, "DELETE", "/c", '{"authkey": "<authkey>", "cid": "<SHARED-CID>"}', who="stranger", why="sees it, no catalogmanager"),
    Row(404, "DELETE", "/c", '{"authkey": "<authkey>", "cid": "<ABSENT>"}', why="no such catalog"),
    Row(404, "DELETE", "/c", '{"authkey": "<authkey>", "cid": "<FOREIGN-CID>"}', who="owner", why="not visible"),
    Row(400, "DELETE", "/c", '{"authkey": "<authkey>", "cid": "<MALFORMED>"}', ERROR | {"problems"}, why="no id"),

    Row(200, "GET", "/c", '{"authkey": "<authkey>"}', {"catalogs"}),
    Row(200, "GET", "/c", '{"authkey": "<authkey>", "cid": "<CID>"}', {"cid", "label", "group", "permissions", "machines"}),
    Row(404, "GET", "/c", '{"authkey": "<authkey>", "cid": "<FOREIGN-CID>"}', who="owner"),

    Row(200, "GET", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>"}', {"cid": "<CID>", "shares": []}),
    Row(401, "GET", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>"}', who="viewer", why="no manage"),
    Row(404, "GET", "/c/share", '{"authkey": "<authkey>", "cid": "<FOREIGN-CID>"}', who="owner"),
    Row(404, "GET", "/c/share", '{"authkey": "<authkey>", "cid": "<ABSENT>"}'),

    Row(200, "POST", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>", "gid": "<STRANGER-GID>", ' + ALL + "}",
        {"cid", "gid", *PERMISSIONS}),
    Row(200, "POST", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>", "gid": "<STRANGER-GID>", "view": true}',
        {"cid": "<CID>", "view": True, "manage": False}, "owner", "what is not named is not given"),
    Row(401, "POST", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>", "gid": "<STRANGER-GID>", ' + ALL + "}", who="viewer", why="no manage"),
    Row(404, "POST", "/c/share", '{"authkey": "<authkey>", "cid": "<FOREIGN-CID>", "gid": "<STRANGER-GID>", ' + ALL + "}", who="owner"),
    Row(404, "POST", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>", "gid": "<ABSENT-NUMBER>", ' + ALL + "}", why="no such group"),
    Row(400, "POST", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>", "gid": "<STRANGER-GID>", "view": "perhaps"}', ERROR | {"problems"}),

    Row(200, "DELETE", "/c/share", '{"authkey": "<authkey>", "cid": "<SHARED-CID>", "gid": "<STRANGER-GID>"}', {"cid", "gid"}),
    Row(200, "POST", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>", "gid": "<STRANGER-GID>", "view": true, "colour": "blue"}', {"view": True},
        why="the document's own requests may have more fields"),

    Row(401, "DELETE", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>", "gid": "<STRANGER-GID>"}', who="viewer", why="no manage"),
    Row(404, "DELETE", "/c/share", '{"authkey": "<authkey>", "cid": "<CID>", "gid": "<STRANGER-GID>"}', why="no share"),
    Row(404, "DELETE", "/c/share", '{"authkey": "<authkey>", "cid": "<ABSENT>", "gid": "<STRANGER-GID>"}', why="no catalog"),
]

MACHINES = [
    Row(200, "PUT", "/v/efi", EFI, {"vmid", "warnings"}, why="as the document has it; rosetta is not here"),
    Row(200, "PUT", "/v/efi", efi(rosetta=None, autostart=None, nics=None, displays=None, storage_devices=None), {"vmid"}, why="the least"),
    Row(200, "PUT", "/v/efi", efi(rosetta=False), {"vmid"}, "owner"),
    Row(401, "PUT", "/v/efi", EFI, who="viewer", why="no create"),
    Row(404, "PUT", "/v/efi", efi(catalog="<FOREIGN-CID>"), ERROR | {"type", "rid"}, "owner", "the catalog is not visible"),
    Row(404, "PUT", "/v/efi", efi(catalog="<ABSENT>"), {"code": "catalog.not_found", "rid": "<ABSENT>"}, why="no such catalog"),
    Row(404, "PUT", "/v/efi", efi(storage_devices=["<ABSENT>"]), {"code": "resource.not_found", "rid": "<ABSENT>"}, why="no such disk"),
    Row(404, "PUT", "/v/efi", efi(storage_devices=["<FOREIGN-STID>"]), {"code": "resource.not_found", "rid": "<FOREIGN-STID>"}, "owner",
        "another's disk"),
    Row(404, "PUT", "/v/efi", efi(nics=["<ABSENT>"]), ERROR | {"type", "rid"}, why="no such NIC"),
    Row(409, "PUT", "/v/efi", efi(name="<TAKEN-MACHINE>"), {"code": "machine.name_taken", "vmid": "<VMID>"}, why="the name is taken"),
    Row(200, "PUT", "/v/efi", efi(rosetta=False, nics=[{"nicid": "<NICID>", "model": "e1000e", "mac_address": "02:00:00:00:00:01", "boot": 1}]), {"vmid"}, "owner", "with a NIC"),
    Row(400, "PUT", "/v/efi", efi(nics=[{"nicid": "<NICID>", "model": "ne2k"}]), ERROR | {"problems"}, "owner", "an unknown model"),
    Row(400, "PUT", "/v/efi", efi(nics=[{"nicid": "<NICID>", "mac_address": "01:00:00:00:00:01"}]), ERROR | {"problems"}, "owner", "a group's address"),
    Row(404, "PUT", "/v/efi", efi(nics=["<FOREIGN-NICID>"]), {"code": "resource.not_found", "rid": "<FOREIGN-NICID>"}, "owner", "the NIC is not visible"),
    Row(404, "PUT", "/v/efi", efi(nics=["<STID>"]), {"code": "resource.not_found", "rid": "<STID>"}, "owner", "a disk is no NIC"),
    Row(409, "PUT", "/v/efi", efi(nics=["<USED-NICID>"]), {"code": "resource.in_use"}, why="the socket is another's"),
    Row(409, "PUT", "/v/efi", efi(storage_devices=["<USED-STID>"]), {"code": "resource.in_use"}, why="the disk is another's"),
    Row(400, "PUT", "/v/efi", efi(cpu_count="0"), ERROR | {"problems"}),
    Row(400, "PUT", "/v/efi", efi(memory_size_mb="1.5"), ERROR | {"problems"}),
    Row(400, "PUT", "/v/efi", efi(name="../escape"), ERROR | {"problems"}),
    Row(404, "PUT", "/v/nothing", EFI, why="no such type"),
    Row(200, "PUT", "/v/efi", efi(rosetta=False, pool="x"), {"vmid"}, why="the document's own pool"),
    Row(200, "PUT", "/v/efi", efi(rosetta=False, cpus=4), {"vmid": ..., "warnings": ["cpus: is not a field of this type and was ignored"]}),
    Row(400, "PUT", "/v/kboot", bare(kernel="<KERNEL>", cpus=4), ERROR | {"problems"}, why="a field that the type does not know"),
    Row(200, "PUT", "/v/efi", efi(secure_boot=False, cloud_init={"user_data": "#cloud-config"}), {"vmid", "warnings"}, why="cloud-init"),
    Row(400, "PUT", "/v/efi", efi(cloud_init={"colour": "blue"}), ERROR | {"problems"}, why="cloud-init has no such field"),
    Row(400, "PUT", "/v/efi", efi(tpm="perhaps"), ERROR | {"problems"}),

    Row(200, "PUT", "/v/kboot", bare(kernel="<KERNEL>", cmdline="console=ttyS0"), {"vmid", "warnings"}),
    Row(400, "PUT", "/v/kboot", bare(kernel="<KERNEL>", initrd="<STID>"), ERROR | {"problems"}, why="the RAM disk is no raw image"),
    Row(400, "PUT", "/v/kboot", bare(kernel="<STID>"), ERROR | {"problems"}, why="a disk is no kernel"),
    Row(400, "PUT", "/v/kboot", bare(kernel="/boot/vmlinuz"), ERROR | {"problems"}, why="a path is no image"),
    Row(400, "PUT", "/v/kboot", bare(), ERROR | {"problems"}, why="no kernel"),
    Row(404, "PUT", "/v/kboot", bare(kernel="<ABSENT>"), {"code": "resource.not_found", "rid": "<ABSENT>"}),
    Row(404, "PUT", "/v/kboot", bare(kernel="<FOREIGN-STID>"), {"code": "resource.not_found", "rid": "<FOREIGN-STID>"}, "owner", "another's kernel"),
    Row(409, "PUT", "/v/mac", bare(bootloader="<STID>"), {"code": "type.unavailable"}, why="no key of Apple's controller"),
    Row(404, "PUT", "/v/mac", bare(bootloader="<ABSENT>"), {"code": "resource.not_found", "rid": "<ABSENT>"}),

    Row(200, "DELETE", "/v", '{"authkey": "<authkey>", "vmid": "<VMID>"}', None),
    Row(200, "DELETE", "/v", '{"authkey": "<authkey>", "vmid": "<RUNNING-VMID>"}', None, why="a running one"),
    Row(401, "DELETE", "/v", '{"authkey": "<authkey>", "vmid": "<VMID>"}', who="viewer", why="no remove"),
    Row(404, "DELETE", "/v", '{"authkey": "<authkey>", "vmid": "<ABSENT>"}'),
    Row(404, "DELETE", "/v", '{"authkey": "<authkey>", "vmid": "<FOREIGN-VMID>"}', who="owner"),
    Row(400, "DELETE", "/v", '{"authkey": "<authkey>", "vmid": "<MALFORMED>"}', ERROR | {"problems"}),

    Row(200, "GET", "/v", '{"authkey": "<authkey>"}', {"machines": ...}),
    Row(200, "GET", "/v", '{"authkey": "<authkey>", "vmid": "<VMID>"}', {"vmid": "<VMID>", "state": "STOPPED", "type": "efi", "catalog": "<CID>"}),
    Row(404, "GET", "/v", '{"authkey": "<authkey>", "vmid": "<FOREIGN-VMID>"}', who="owner"),
    Row(400, "GET", "/v", '{"authkey": "<authkey>", "limit": 0, "state": "ASLEEP"}', ERROR | {"problems"}),
    Row(400, "GET", "/v", '{"authkey": "<authkey>", "catalogue": "<CID>"}', ERROR | {"problems"}, why="a misspelt filter would show all"),
    Row(401, "GET", "/v/types", "{}", why="no authkey"),
    Row(200, "GET", "/v/types", '{"authkey": "<authkey>"}', {"types"}),

    Row(200, "GET", "/v/state", '{"authkey": "<authkey>", "vmid": "<VMID>"}', {"vmid": "<VMID>", "state": "STOPPED"}),
    Row(200, "GET", "/v/state", '{"authkey": "<authkey>", "vmid": "<RUNNING-VMID>"}', {"vmid": "<RUNNING-VMID>", "state": "RUNNING"}),
    Row(200, "GET", "/v/state", '{"authkey": "<authkey>", "vmid": "<PAUSED-VMID>"}', {"vmid": "<PAUSED-VMID>", "state": "PAUSED"}),
    Row(400, "GET", "/v/state", '{"authkey": "<authkey>"}', ERROR | {"problems"}, why="which one?"),
    Row(401, "GET", "/v/state", '{"vmid": "<VMID>"}', why="no authkey"),
    Row(404, "GET", "/v/state", '{"authkey": "<authkey>", "vmid": "<ABSENT>"}'),
    Row(404, "GET", "/v/state", '{"authkey": "<authkey>", "vmid": "<FOREIGN-VMID>"}', who="owner"),

    Row(200, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<VMID>", "state": "RUNNING", "force": true}', {"vmid": "<VMID>", "state": "RUNNING"}),
    Row(200, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<RUNNING-VMID>", "state": "PAUSED"}', {"state": "PAUSED"}),
    Row(200, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<PAUSED-VMID>", "state": "RUNNING"}', {"state": "RUNNING"}),
    Row(200, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<RUNNING-VMID>", "state": "STOPPED", "force": true}', {"state": "STOPPED"}),
    Row(208, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<VMID>", "state": "STOPPED", "force": true}', {"vmid": "<VMID>", "state": "STOPPED"}),
    Row(208, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<RUNNING-VMID>", "state": "RUNNING"}', {"state": "RUNNING"}),
    Row(208, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<PAUSED-VMID>", "state": "PAUSED"}', {"state": "PAUSED"}),
    Row(403, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<VMID>", "state": "PAUSED", "force": true}',
        {"vmid": "<VMID>", "req_state": "PAUSED", "cur_state": "STOPPED", "code": "machine.state_impossible"}),
    Row(401, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<VMID>", "state": "RUNNING"}', who="viewer", why="no state"),
    Row(404, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<ABSENT>", "state": "RUNNING"}'),
    Row(404, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<FOREIGN-VMID>", "state": "RUNNING"}', who="owner"),
    Row(500, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<BROKEN-VMID>", "state": "RUNNING", "force": true}',
        {"code": "machine.hypervisor_failed", "message": ..., "vmid": "<BROKEN-VMID>", "state": "STOPPED"},
        why="the disk's file is gone", server="real_server"),
    Row(400, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<VMID>", "state": "STARTING"}', ERROR | {"problems"}),
    Row(400, "POST", "/v/state", '{"authkey": "<authkey>", "vmid": "<VMID>", "state": "RUNNING", "wait": 61}', ERROR | {"problems"}),

    Row(200, "GET", "/v/log", '{"authkey": "<authkey>", "vmid": "<VMID>"}', None, why="it has said nothing yet"),
    Row(400, "GET", "/v/log", '{"authkey": "<authkey>", "vmid": "<VMID>", "tail": 0}', ERROR | {"problems"}),
    Row(404, "GET", "/v/log", '{"authkey": "<authkey>", "vmid": "<FOREIGN-VMID>"}', who="owner"),
    Row(401, "GET", "/v/log", '{"authkey": "<authkey>", "vmid": "<VMID>"}', who="viewer", why="no interact"),
]

IDENTITY = [
    Row(400, "POST", "/u/auth", '{"username": "root"}', ERROR | {"problems"}, None),
    Row(403, "POST", "/u/auth", '{"username": "root", "password": "wrong"}', who=None),
    Row(403, "POST", "/u/auth", '{"username": "nobody at all", "password": "wrong"}', who=None),
    Row(403, "PATCH", "/u/auth", '{"authkey": "' + "A" * 43 + '"}', who=None),
    Row(200, "DELETE", "/u/auth", '{"authkey": "' + "A" * 43 + '"}', None, None, "an unknown key is fine"),

    Row(200, "PUT", "/u/user", '{"authkey": "<authkey>", "username": "<NAME>", "password": "a long password", "groups": []}',
        {"uid", "username", "groups"}),
    Row(200, "PUT", "/u/user", '{"authkey": "<authkey>", "username": "<NAME>", "password": "a long password"}', {"uid", "username", "groups"}, "manager"),
    Row(403, "PUT", "/u/user", '{"authkey": "<authkey>", "username": "<NAME>", "password": "a long password"}', who="stranger"),
    Row(403, "PUT", "/u/user", '{"authkey": "<authkey>", "username": "root", "password": "a long password"}', who="stranger",
        why="told nothing of a taken name"),
    Row(409, "PUT", "/u/user", '{"authkey": "<authkey>", "username": "root", "password": "a long password"}', who="manager"),
    Row(200, "POST", "/u/user", '{"authkey": "<authkey>"}', {"uid", "username", "groups"}, "stranger", "oneself"),
    Row(400, "PUT", "/u/user", '{"authkey": "<authkey>", "username": "<NAME>", "password": ""}', ERROR | {"problems"}, why="no password"),
    Row(400, "PUT", "/u/user", '{"authkey": "<authkey>", "username": "<NAME>", "password": "1234567"}', ERROR | {"problems"}, why="a short password"),
    Row(400, "POST", "/u/user", '{"authkey": "<authkey>", "password": "a new password"}', ERROR | {"problems"}, "stranger", "without the old one"),
    Row(400, "POST", "/u/user", '{"authkey": "<authkey>", "password": "1234567", "old_password": "a long password"}', ERROR | {"problems"}, "stranger", "a short one"),
    Row(403, "POST", "/u/user", '{"authkey": "<authkey>", "password": "a new password", "old_password": "wrong"}', ERROR, "stranger"),
    Row(403, "POST", "/u/user", '{"authkey": "<authkey>", "uid": 0}', who="stranger"),
    Row(404, "POST", "/u/user", '{"authkey": "<authkey>", "uid": "<ABSENT-NUMBER>"}'),
    Row(200, "DELETE", "/u/user", '{"authkey": "<authkey>", "uid": "<NEW-UID>"}', None),
    Row(403, "DELETE", "/u/user", '{"authkey": "<authkey>", "uid": "<UID>"}', who="owner"),
    Row(404, "DELETE", "/u/user", '{"authkey": "<authkey>", "uid": "<ABSENT-NUMBER>"}'),
    Row(200, "GET", "/u/user/groups", '{"authkey": "<authkey>"}', {"uid", "groups"}, "stranger"),
    Row(403, "GET", "/u/user/groups", '{"authkey": "<authkey>", "uid": 0}', who="stranger"),
    Row(404, "GET", "/u/user/groups", '{"authkey": "<authkey>", "uid": "<ABSENT-NUMBER>"}'),
    Row(200, "GET", "/u/user/list", '{"authkey": "<authkey>"}', {"users"}),
    Row(403, "GET", "/u/user/list", '{"authkey": "<authkey>"}', who="stranger"),

    Row(200, "PUT", "/u/group", '{"authkey": "<authkey>", "groupname": "<NAME>"}', {"gid", "groupname"}),
    Row(403, "PUT", "/u/group", '{"authkey": "<authkey>", "groupname": "<NAME>"}', who="stranger"),
    Row(409, "PUT", "/u/group", '{"authkey": "<authkey>", "groupname": "catalogmanager"}'),
    Row(200, "DELETE", "/u/group", '{"authkey": "<authkey>", "gid": "<NEW-GID>"}', None),
    Row(200, "DELETE", "/u/group", '{"authkey": "<authkey>", "uid": "<NEW-GID>"}', None, why="uid is accepted for gid"),
    Row(403, "DELETE", "/u/group", '{"authkey": "<authkey>", "gid": "<GID>"}', who="stranger"),
    Row(404, "DELETE", "/u/group", '{"authkey": "<authkey>", "gid": "<ABSENT-NUMBER>"}'),
    Row(200, "GET", "/u/group/list", '{"authkey": "<authkey>"}', {"groups"}),
    Row(403, "GET", "/u/group/list", '{"authkey": "<authkey>"}', who="stranger"),
    Row(200, "PUT", "/u/group/assign", '{"authkey": "<authkey>", "uid": "<NEW-UID>", "groups": ["<NEW-GID>"]}', {"uid", "groups"}),
    Row(403, "PUT", "/u/group/assign", '{"authkey": "<authkey>", "uid": "<UID>", "groups": [2]}', who="stranger"),
    Row(404, "PUT", "/u/group/assign", '{"authkey": "<authkey>", "uid": "<ABSENT-NUMBER>", "groups": [2]}'),
    Row(404, "PUT", "/u/group/assign", '{"authkey": "<authkey>", "uid": "<NEW-UID>", "groups": ["<ABSENT-NUMBER>"]}'),
    Row(406, "PUT", "/u/group/assign", '{"authkey": "<authkey>", "uid": "<NEW-UID>", "groups": [0]}', who="manager"),
    Row(200, "DELETE", "/u/group/assign", '{"authkey": "<authkey>", "uid": "<NEW-UID>", "groups": ["<NEW-GID>"]}', {"uid", "groups"}),
    Row(406, "DELETE", "/u/group/assign", '{"authkey": "<authkey>", "uid": 0, "groups": [0]}', who="manager"),
]

RESOURCES = [
    Row(200, "GET", "/r/types", '{"authkey": "<authkey>"}', {"types"}),
    Row(401, "GET", "/r/types", "{}", why="no authkey"),
    Row(400, "GET", "/r", '{"authkey": "<authkey>", "kind": "colour", "limit": 0}', ERROR | {"problems"}),
    Row(401, "GET", "/r", "{}", why="no authkey"),
    Row(200, "PUT", "/r/disk-image", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "size_mb": 1}', {"rid", "stid"}),
    Row(200, "PUT", "/r/disk-image", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "size_mb": 1, "format": "qcow2"}', {"rid", "stid"},
        "owner"),
    Row(400, "PUT", "/r/disk-image", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "size_mb": -1}', ERROR | {"problems"}),
    Row(400, "PUT", "/r/disk-image", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "size_mb": 1, "sise": 1}', ERROR | {"problems"},
        why="a field that the type does not know"),
    Row(404, "PUT", "/r/disk-image", '{"authkey": "<authkey>", "group": "<FOREIGN-GID>", "label": "<NAME>", "size_mb": 1}', who="owner"),
    Row(200, "PUT", "/r/user-nic", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>"}', {"rid", "nicid"}, "owner"),
    Row(200, "PUT", "/r/user-nic", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "forwards": [{"host_port": 2222, "guest_port": 22}]}',
        {"rid", "nicid"}, "owner", "a port of the loopback"),
    Row(200, "PUT", "/r/user-nic", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "forwards": '
        '[{"host_port": 80, "guest_port": 80, "host_address": "0.0.0.0", "protocol": "tcp"}]}', {"rid", "nicid"}, why="any port"),
    Row(400, "PUT", "/r/user-nic", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "forwards": [{"host_port": 0, "guest_port": 22}]}',
        ERROR | {"problems"}),
    Row(401, "PUT", "/r/user-nic", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "forwards": '
        '[{"host_port": 8080, "guest_port": 80, "host_address": "0.0.0.0"}]}', {"code": "resource.denied"}, "owner", "a port that others could reach"),
    Row(200, "PUT", "/r/file-handle-nic", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "mode": "stream"}', {"rid", "nicid"}, "owner"),
    Row(400, "PUT", "/r/file-handle-nic", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "mode": "/tmp/socket"}', ERROR | {"problems"}),
    Row(409, "PUT", "/r/bridged-nic", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>", "interface": "eth0", "joint": "macvtap"}',
        {"code": "resource.found"}, why="they are found, not made"),
    Row(404, "PUT", "/r/nothing", '{"authkey": "<authkey>", "group": "<GID>", "label": "<NAME>"}', why="no such type"),
    Row(200, "GET", "/r", '{"authkey": "<authkey>"}', {"resources": ...}),
    Row(200, "GET", "/r", '{"authkey": "<authkey>", "rid": "<STID>"}', {"rid": "<STID>", "type": "disk-image", "kind": "storage"}),
    Row(200, "GET", "/r", '{"authkey": "<authkey>", "nicid": "<NICID>"}', {"nicid": "<NICID>", "type": "user-nic", "kind": "nic"}, "owner"),
    Row(404, "GET", "/r", '{"authkey": "<authkey>", "rid": "<FOREIGN-STID>"}', who="owner"),
    Row(404, "GET", "/r", '{"authkey": "<authkey>", "nicid": "<FOREIGN-NICID>"}', who="owner"),
    Row(404, "GET", "/r", '{"authkey": "<authkey>", "rid": "<ABSENT>"}'),
    Row(200, "DELETE", "/r", '{"authkey": "<authkey>", "stid": "<STID>"}', None),
    Row(200, "DELETE", "/r", '{"authkey": "<authkey>", "rid": "<STID>"}', None, "owner"),
    Row(200, "DELETE", "/r", '{"authkey": "<authkey>", "nicid": "<NICID>"}', None, "owner"),
    Row(404, "DELETE", "/r", '{"authkey": "<authkey>", "nicid": "<FOREIGN-NICID>"}', who="owner"),
    Row(409, "DELETE", "/r", '{"authkey": "<authkey>", "nicid": "<USED-NICID>"}', ERROR | {"vmid"}),
    Row(404, "DELETE", "/r", '{"authkey": "<authkey>", "rid": "<FOREIGN-STID>"}', who="owner"),
    Row(409, "DELETE", "/r", '{"authkey": "<authkey>", "rid": "<USED-STID>"}', ERROR | {"vmid"}),
    Row(400, "DELETE", "/r", '{"authkey": "<authkey>"}', ERROR | {"problems"}, why="which one?"),
]

GROUND_RULES = [
    Row(200, "GET", "/", None, {"name": "Velocity", "server": ..., "documentation": ...}),
    Row(404, "GET", "/nothing", '{"authkey": "<authkey>"}'),
    Row(405, "PATCH", "/c", '{"authkey": "<authkey>"}'),
    Row(405, "DELETE", "/v/state", '{"authkey": "<authkey>"}'),
    Row(400, "PUT", "/c", "{", why="no JSON"),
    Row(400, "PUT", "/c", '{"authkey": "<authkey>", "label": "a", "label": "b", "group": 0}', why="a key twice"),
    Row(400, "PUT", "/c", "[" * 200, why="too deep"),
    Row(401, "GET", "/c", '{"authkey": "expired or never given"}', who=None),
    Row(400, "GET", "/c?cid=00000000-0000-4000-8000-000000000000", '{"authkey": "<authkey>", "cid": "<CID>"}', ERROR | {"problems"},
        why="two different ids in body and query"),
    Row(200, "GET", "/c/", '{"authkey": "<authkey>"}', {"catalogs"}, why="a slash at the end"),
    Row(200, "GET", "/version", None, {"server", "api", "abi", "plugins"}),
    Row(200, "GET", "/plugins", '{"authkey": "<authkey>"}', {"plugins"}),
    Row(200, "GET", "/plugins", '{"authkey": "<authkey>"}', {"plugins"}, "stranger"),
    Row(401, "GET", "/plugins", "{}", who=None),
    Row(200, "GET", "/healthz", None, {"status"}),
    Row(200, "GET", "/readyz", None, {"ready": True}),
]

TABLE = CATALOGS + MACHINES + IDENTITY + RESOURCES + GROUND_RULES


@pytest.mark.parametrize("row", parameters(TABLE))
def test_the_api_answers_as_documented(row, request):
    check(row, request)


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "PROPFIND", "BREW", "get"])
def test_every_method_not_offered_says_what_is(method, mock_server):
    answer = mock_server.curl(method, "/c/share", None, "-H", "Authorization: Bearer a secret")
    assert (answer.status, answer.json["code"]) == (405, "request.method_not_allowed")
    assert {name.strip() for name in answer.headers["allow"].split(",")} == {"GET", "HEAD", "POST", "DELETE"}
    assert "a secret" not in answer.text + str(answer.headers)
    assert mock_server.curl(method, "/nothing").expect(404).json["code"] == "request.unknown_path"


def test_connect_makes_no_tunnel(mock_server):
    address = urllib.parse.urlsplit(mock_server.url)
    with socket.create_connection((address.hostname, address.port), 10) as client:
        client.sendall(f"CONNECT {address.netloc} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 501 ") and answer.count(b"HTTP/1.1") == 1


def test_signing_in_renewing_and_signing_out(mock_server, people):
    stranger = people["stranger"]
    key = mock_server.curl("POST", "/u/auth", {"username": stranger.name, "password": "a long password"}).expect(200).json["authkey"]
    renewed = mock_server.curl("PATCH", "/u/auth", {"authkey": key}).expect(200).json
    assert set(renewed) == {"authkey", "expires"}
    mock_server.curl("GET", "/c", {"authkey": key}).expect(401)
    mock_server.curl("GET", "/c", {"authkey": renewed["authkey"]}).expect(200)
    mock_server.curl("DELETE", "/u/auth", {"authkey": renewed["authkey"]}).expect(200)
    mock_server.curl("GET", "/c", {"authkey": renewed["authkey"]}).expect(401)


def test_a_share_shows_up_in_the_list_with_its_permissions(world, mock_server):
    world.shared("stranger", "view", "state")
    shares = mock_server.curl("GET", "/c/share", {"authkey": world["authkey"], "cid": world["CID"]}).expect(200).json["shares"]
    assert shares == [{"gid": world["STRANGER-GID"], **{name: name in ("view", "state") for name in PERMISSIONS}}]


def test_removing_a_catalog_removes_its_machines_and_leaves_their_disks(world, mock_server):
    vmid = mock_server.machine("doomed", world["CID"], [world["STID"]])
    mock_server.change(vmid, "RUNNING").expect(200)
    mock_server.curl("DELETE", "/c", {"authkey": world["authkey"], "cid": world["CID"]}).expect(200)
    mock_server.curl("GET", "/v/state", {"authkey": world["authkey"], "vmid": vmid}).expect(404)
    found = mock_server.curl("GET", "/r", {"authkey": world["authkey"], "rid": world["STID"]}).expect(200).json
    assert found["machines"] == []


def test_a_form_body_says_the_same_as_json(world, mock_server):
    answer = mock_server.curl("PUT", "/c", f"authkey={world['authkey']}&group={world['GID']}&label=of+a+form+{world.number}").expect(200)
    found = mock_server.curl("GET", "/c", {"authkey": world["authkey"], "cid": answer.json["cid"]}).expect(200).json
    assert found["label"] == f"of a form {world.number}"


def test_the_query_string_serves_where_a_client_cannot_send_a_body(world, mock_server):
    answer = mock_server.curl("GET", f"/v/state?vmid={world['VMID']}", None, "-H", f"Authorization: Bearer {world['authkey']}")
    assert answer.expect(200).json["vmid"] == world["VMID"]
    mock_server.curl("GET", f"/v/state?vmid={world['VMID']}&authkey={world['authkey']}").expect(400, 401)


def test_head_is_get_without_a_body(world, mock_server):
    answer = mock_server.curl("HEAD", f"/c?cid={world['CID']}", None, "-H", f"Authorization: Bearer {world['authkey']}")
    assert answer.expect(200).body == b""


def test_json_ends_its_line(world, mock_server):
    for method, path, body in (("GET", "/c", {"authkey": world["authkey"]}), ("GET", "/nothing", None), ("GET", "/c", {}), ("POST", "/c", {}), ("PUT", "/c", "{")):
        answer = mock_server.curl(method, path, body)
        assert answer.body.endswith(b"}\n"), (method, path, answer.body)
    refused = mock_server.curl("GET", "/c", None, "-H", "Host: elsewhere.example").expect(421)
    assert refused.body.endswith(b"}\n") and "http.hosts" in refused.json["message"]


def test_a_misspelt_field_is_named_beside_what_is_missing(world, mock_server):
    def problems(method, path, **fields):
        refused = mock_server.call(method, path, fields).expect(400).json["problems"]
        return sorted(problem["path"] for problem in refused)

    machine = {"name": "m", "catalog": world["CID"], "memory_size_mb": 64, "cpus": 2}
    assert problems("PUT", "/v/efi", **machine) == ["/cpu_count", "/cpus"]
    assert problems("PUT", "/v/kboot", **machine, cmdline=5) == ["/cmdline", "/cpu_count", "/cpus", "/kernel"]
    assert problems("PUT", "/r/disk-image", group=0, size_mb=1, labl="x") == ["/label", "/labl"]
    assert problems("PATCH", "/v", vmid=world["VMID"], cpus=2, cpu_count=0) == ["/cpu_count", "/cpus"]
    assert problems("PUT", "/v/clone", vmid=world["VMID"], nam="x", catalog=world["CID"]) == ["/nam", "/name"]
    assert problems("GET", "/r", kinds="nic", limit=0) == ["/kinds", "/limit"]
    # Of a machine that is not seen, what is wrong with its fields tells nothing.
    for vmid in (world["FOREIGN-VMID"], world["ABSENT"]):
        key = world.people["owner"].key
        assert mock_server.call("PATCH", "/v", vmid=vmid, cpus=2, key=key).status == 404


def test_repeated_failures_to_sign_in_are_slowed_down(own_server):
    server = own_server(hypervisor="test:///default")
    statuses = [server.curl("POST", "/u/auth", {"username": "root", "password": "wrong"}).status for _ in range(30)]
    assert set(statuses) == {403, 429} and statuses[0] == 403 and statuses[-1] == 429
    refused = server.curl("POST", "/u/auth", {"username": "root", "password": "wrong"})
    assert f" in {refused.headers['retry-after']} seconds" in refused.json["message"]
