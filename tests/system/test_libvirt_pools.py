"""Storage pools of a libvirtd with real bytes in them: one is a directory, the other a file system that libvirtd alone has mounted, so that whatever
the server does there it does through libvirt."""

import os
import pathlib
import subprocess

import libvirtd
import pytest

import velocity
from velocity import eventually

TYPES = ("dir", "fs")


@pytest.fixture(scope="module")
def server():
    if why := libvirtd.why_impossible():
        pytest.skip(why)
    with libvirtd.Libvirtd() as daemon, velocity.Server("--accel", "tcg", hypervisor=daemon.uri) as server:
        server.libvirtd = daemon
        yield server


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    disk = tmp_path_factory.mktemp("loop") / "disk"
    with open(disk, "wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", disk], check=True)
    made = subprocess.run(["losetup", "--find", "--show", disk], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"loop devices are not allowed here: {made.stderr}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


class Pool:
    def __init__(self, server, type: str, directory: pathlib.Path, *source: str):
        self.name, self.type, self.directory = f"{type}-pool", type, directory
        self.server, self.virsh = server, server.libvirtd.virsh
        self.virsh("pool-define-as", self.name, type, "--target", directory, *source)
        self.virsh("pool-start", self.name)

    def file(self, stid: str) -> pathlib.Path:
        """As libvirtd sees it."""
        return pathlib.Path(f"/proc/{self.server.libvirtd.process.pid}/root{self.directory}") / stid

    def told(self, key: str = "") -> dict | None:
        return next((pool for pool in self.server.call("GET", "/r/pools", key=key).expect(200).json["pools"] if pool["name"] == self.name), None)

    def capacity(self, stid: str) -> int:
        self.virsh("pool-refresh", self.name)
        shown = self.virsh("vol-info", "--bytes", stid, "--pool", self.name)
        return next(int(line.split()[1]) for line in shown.splitlines() if line.startswith("Capacity"))


@pytest.fixture(scope="module", params=TYPES)
def pool(server, request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    source = ("--source-dev", request.getfixturevalue("loop"), "--source-format", "ext4") if request.param == "fs" else ()
    pool = Pool(server, request.param, directory, *source)
    yield pool
    server.call("DELETE", "/r/pools", name=pool.name).expect(200, 404)
    pool.virsh("pool-destroy", pool.name)
    pool.virsh("pool-undefine", pool.name)


def offer(pool):
    if not pool.told()["offered"]:
        pool.server.call("PUT", "/r/pools", name=pool.name, type="libvirt").expect(200)


def test_a_pool_is_seen_with_its_size_and_offered_by_a_manager(server, pool):
    stranger = server.user(f"stranger-{pool.type}")
    seen = pool.told()
    assert (seen["type"], seen["state"], seen["offered"], seen["libvirt"], seen["volumes"]) == (pool.type, "running", False, True, 0)
    assert 0 < seen["free_mb"] <= seen["size_mb"]
    assert pool.told(stranger.key) is None
    assert server.call("PUT", "/r/pools", key=stranger.key, name=pool.name, type="libvirt").expect(401).json["code"] == "pool.denied"
    offer(pool)
    assert pool.told(stranger.key)["offered"] and "path" not in pool.told(stranger.key)
    if pool.type == "fs":
        assert not os.path.ismount(pool.directory), "the server does not see what is in it"


def test_a_guest_boots_from_a_disk_that_was_sent_there_and_its_other_disk_grows(server, pool):
    offer(pool)
    golden = server.upload(velocity.guest("tiny"), f"golden of {pool.type}", format="raw")
    boot = server.call("PUT", "/r/disk-image", group=0, label=f"boot in {pool.type}", source=golden, pool=pool.name).expect(200).json["stid"]
    assert pool.file(boot).read_bytes() == velocity.guest("tiny").read_bytes()
    data = server.disk(f"data in {pool.type}", size_mb=2, pool=pool.name)
    assert pool.capacity(data) == 2 << 20 and pool.told()["volumes"] == 2
    vmid = server.machine(f"of {pool.type}", server.catalog(f"of {pool.type}"), [boot, data])
    server.change(vmid, "RUNNING").expect(200)
    server.await_text(vmid, "VELOCITY-GUEST-READY", 120)
    used = [entry["stid"] for entry in server.call("GET", "/v/stats", vmid=vmid).expect(200).json["storage_devices"]]
    assert used == [boot, data]
    assert server.call("POST", "/r", rid=data, size_mb=5).expect(200).json["size_mb"] == 5
    assert server.call("GET", f"/r/content?rid={boot}").expect(409).json["code"] == "resource.in_use"
    server.change(vmid, "STOPPED", force=True).expect(200)
    assert pool.capacity(data) == 5 << 20
    assert server.call("PUT", "/v/snapshot", vmid=vmid, name="s").expect(409).json["code"] == "snapshot.impossible"
    server.call("DELETE", "/v", vmid=vmid).expect(200)

    assert server.call("GET", f"/r/content?rid={boot}").expect(200).body == velocity.guest("tiny").read_bytes()
    back = server.call("PUT", "/r/disk-image", group=0, label=f"back from {pool.type}", source=boot).expect(200).json["stid"]
    assert (server.state_directory / "pools/default" / back).read_bytes() == velocity.guest("tiny").read_bytes()
    assert server.call("PUT", "/r/disk-image", group=0, label="linked", source=boot, linked=True).expect(422).json["code"] == "image.unsupported"
    assert server.call("DELETE", "/r/pools", name=pool.name).expect(409).json["rid"] in (boot, data)
    for rid in (boot, data, back, golden):
        server.call("DELETE", "/r", rid=rid).expect(200)
    assert not pool.file(boot).exists() and not pool.file(data).exists()


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_a_disk_that_no_machine_has_grows_unless_its_bytes_deceive_libvirt(server, pool, format):
    offer(pool)
    disk = server.disk(f"{format} in {pool.type}", size_mb=1, format=format, pool=pool.name)
    assert server.call("POST", "/r", rid=disk, size_mb=3).expect(200).json["size_mb"] == 3
    assert pool.capacity(disk) == 3 << 20
    if format == "raw":  # as a guest could write it
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", pool.file(disk), "1M"], check=True)
        before = pool.file(disk).read_bytes()
        assert server.call("POST", "/r", rid=disk, size_mb=4).expect(422).json["code"] == "image.unsupported"
        assert pool.file(disk).read_bytes() == before
    server.call("DELETE", "/r", rid=disk).expect(200)


def test_a_pool_that_is_not_active_says_so_and_one_that_is_gone_too(server, pool):
    offer(pool)
    pool.virsh("pool-destroy", pool.name)
    assert pool.told()["state"] == "inactive"
    refusal = server.call("PUT", "/r/disk-image", group=0, label=f"in {pool.name}", size_mb=1, pool=pool.name).expect(503).json
    assert refusal["code"] == "hypervisor.unavailable" and pool.name in refusal["message"]
    pool.virsh("pool-undefine", pool.name)
    assert pool.told()["state"] == "missing"
    assert server.call("PUT", "/r/disk-image", group=0, label=f"nowhere, not in {pool.name}", size_mb=1, pool=pool.name).expect(404).json["code"] == "pool.not_found"
    server.restart()  # whether anything had been made could not be asked then: it is taken back now
    eventually(lambda: server.call("DELETE", "/r/pools", name=pool.name).status == 200, 30, 0.2, "the end of what was begun")
    assert pool.told() is None
    assert server.call("PUT", "/r/pools", name=pool.name, type="libvirt").expect(404).json["code"] == "pool.not_found"
    pool.virsh("pool-define-as", pool.name, "dir", "--target", pool.directory)
    pool.virsh("pool-start", pool.name)
