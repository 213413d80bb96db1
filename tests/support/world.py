"""What a row of a table may name: people, catalogs, machines and disks, made when they are first asked for.

A row writes <CID>, <VMID>, <STID> and so on, as the documents of the API do. Every row gets a world of its own, so that what one row removes
no other misses; the people are shared, since passwords are slow to hash on purpose.
"""

from __future__ import annotations

import itertools
import re
import uuid

import velocity

_numbers = itertools.count(1)
PERMISSIONS = ("manage", "view", "create", "alter", "remove", "state", "interact")
NOBODY = "A" * 43  # looks like an authkey and is none


class People:
    """Users by their rights. `owner` owns what <CID> and the like name; `outsider` owns what <FOREIGN …> name."""

    def __init__(self, server: velocity.Server):
        self.server = server
        self._known: dict[str, velocity.Person] = {}
        self._groups = {"owner": [2], "outsider": [2], "manager": [1], "catalogmanager": [2], "keeper": [3], "stranger": []}

    def __getitem__(self, name: str) -> velocity.Person:
        if name not in self._known:
            base = name.split("-")[0]
            self._known[name] = self.server.user(name, self._groups.get(name, self._groups.get(base, [])))
        return self._known[name]

    def key(self, name: str | None) -> str | None:
        if name is None:
            return None
        if name == "nobody":
            return NOBODY
        return self.server.root_key() if name == "root" else self[name].key


class World:
    def __init__(self, server: velocity.Server, people: People):
        self.server, self.people = server, people
        self.number = next(_numbers)
        self._things: dict[str, object] = {}
        self._makers = {
            "authkey": lambda: self.server.root_key(),
            "UID": lambda: self.people["stranger"].uid,
            "GID": lambda: self.people["owner"].group,
            "STRANGER-GID": lambda: self.people["stranger"].group,
            "FOREIGN-GID": lambda: self.people["outsider"].group,
            "NEW-UID": lambda: self.server.user(f"made-{self.number}").uid,
            "NEW-GID": lambda: self.server.call("PUT", "/u/group", groupname=f"group-{self.number}").expect(200).json["gid"],
            "ABSENT-NUMBER": lambda: 999_999_999,
            "ABSENT": lambda: str(uuid.uuid4()),
            "MALFORMED": lambda: "not-an-id",
            "CID": lambda: self._catalog("owner"),
            "FOREIGN-CID": lambda: self._catalog("outsider"),
            "STID": lambda: self._disk("owner"),
            "FOREIGN-STID": lambda: self._disk("outsider"),
            "LENT-STID": lambda: self._lent(),
            "USED-STID": lambda: self._used_disk(),
            "NICID": lambda: self._nic("user-nic", "owner"),
            "FOREIGN-NICID": lambda: self._nic("user-nic", "outsider"),
            "USED-NICID": lambda: self._used_nic(),
            "KERNEL": lambda: self.server.upload(bytes(0x1FE) + b"\x55\xaa\xeb\x66HdrS" + bytes(3578), f"kernel {self.number}", self.people["owner"].group),
            "VMID": lambda: self._machine("owner", "CID"),
            "FOREIGN-VMID": lambda: self._machine("outsider", "FOREIGN-CID"),
            "RUNNING-VMID": lambda: self._running(),
            "PAUSED-VMID": lambda: self._paused(),
            "BROKEN-VMID": lambda: self._broken(),
            "BOOT-STID": lambda: self._other_disk("boot"),
            "SECOND-STID": lambda: self._other_disk("second"),
            "DISKED-VMID": lambda: self.server.machine(f"disked {self.number}", self["CID"], [self["BOOT-STID"], self["SECOND-STID"]]),
            "RUNNING-DISKED-VMID": lambda: self._started(self["DISKED-VMID"]),
            "RAW-STID": lambda: self._other_disk("raw", format="raw"),
            "RAW-VMID": lambda: self.server.machine(f"raw {self.number}", self["CID"], [self["RAW-STID"]]),
            "TEMPLATE-VMID": lambda: self.server.machine(f"template {self.number}", self["CID"], [{"stid": self["BOOT-STID"], "readonly": True}]),
            "KEPT-VMID": lambda: self._kept(),
            "RUNNING-KEPT-VMID": lambda: self._started(self["KEPT-VMID"]),
            "SEEN-VMID": lambda: self.server.machine(f"seen {self.number}", self["CID"], displays=[{"width": 800, "height": 600}]),
            "NAME": lambda: f"thing {self.number}",
            "TAKEN-MACHINE": lambda: self._name_of_machine(),
            "SHARED-CID": lambda: self.shared("stranger", *PERMISSIONS),
        }

    def __getitem__(self, name: str):
        if name not in self._things:
            self._things[name] = self._makers[name]()
        return self._things[name]

    def fill(self, text: str) -> str:
        """The text with what stands for <…> in it."""
        return re.sub(r"<([A-Za-z-]+)>", lambda match: str(self[match[1]]), text)

    def shared(self, name: str, *permissions: str) -> str:
        """<CID>, shared with the person's own group."""
        flags = {permission: permission in permissions for permission in PERMISSIONS}
        self.server.call("POST", "/c/share", {"cid": self["CID"], "gid": self.people[name].group, **flags}).expect(200)
        return self["CID"]

    def _label(self, owner: str) -> str:
        return f"{owner} {self.number}"

    def _catalog(self, owner: str) -> str:
        return self.server.catalog(self._label(owner), self.people[owner].group)

    def _disk(self, owner: str) -> str:
        return self.server.disk(self._label(owner), self.people[owner].group)

    def _lent(self) -> str:
        """A disk of the owner's that the stranger may use."""
        stid = self.server.disk(f"lent {self.number}", self.people["owner"].group)
        self.server.call("POST", "/r/share", rid=stid, gid=self.people["stranger"].group, use=True).expect(200)
        return stid

    def _used_disk(self) -> str:
        stid = self.server.disk(f"used {self.number}", self.people["owner"].group)
        self.server.machine(f"user of a disk {self.number}", self["CID"], [stid])
        return stid

    def _nic(self, type: str, owner: str) -> str:
        fields = {"group": self.people[owner].group, "label": f"nic {self.number} of {owner}"}
        return self.server.call("PUT", f"/r/{type}", fields).expect(200).json["nicid"]

    def _used_nic(self) -> str:
        nicid = self._nic("file-handle-nic", "owner")
        self.server.machine(f"user of a NIC {self.number}", self["CID"], nics=[nicid])
        return nicid

    def _machine(self, owner: str, catalog: str) -> str:
        return self.server.machine(f"machine {self.number}", self[catalog])

    def _running(self) -> str:
        return self._started(self.server.machine(f"running {self.number}", self["CID"]))

    def _started(self, vmid: str) -> str:
        self.server.change(vmid, "RUNNING").expect(200)
        return vmid

    def _other_disk(self, name: str, **more) -> str:
        return self.server.disk(f"{name} {self.number}", self.people["owner"].group, **more)

    def _kept(self) -> str:
        """A machine with a disk and a snapshot that is called "before"."""
        vmid = self.server.machine(f"kept {self.number}", self["CID"], [self["BOOT-STID"]])
        self.server.call("PUT", "/v/snapshot", vmid=vmid, name="before").expect(200)
        return vmid

    def _paused(self) -> str:
        vmid = self._running()
        self.server.change(vmid, "PAUSED").expect(200)
        return vmid

    def _broken(self) -> str:
        """It is in order for all that the server knows; its disk's file went behind the server's back."""
        vmid = self.server.machine(f"broken {self.number}", self["CID"], [self["STID"]])
        next(file for file in (self.server.state_directory / "pools").rglob("*") if self["STID"] in file.name).unlink()
        return vmid

    def _name_of_machine(self) -> str:
        return self.server.call("GET", "/v", vmid=self["VMID"]).expect(200).json["name"]
