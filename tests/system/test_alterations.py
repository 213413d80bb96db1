"""What is done to machines that exist, with real guests: devices that come and go, snapshots, screens and counters."""

import hashlib
import subprocess

import pytest

import velocity
from velocity import eventually


@pytest.fixture(scope="module")
def catalog(real_server):
    return real_server.catalog("altered")


@pytest.fixture
def make(real_server, catalog, request):
    """Makes a machine from one of the guests of tests/support/guests, and removes it with its disk after the test."""
    made = []

    def make(guest="tiny", format="raw", **more):
        name = f"{request.node.name} {len(made)}"[:64]
        image = velocity.guest(guest)
        if format == "qcow2":
            converted = real_server.home / f"{guest}.qcow2"
            subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", image, converted], check=True)
            image = converted
        stid = real_server.upload(image, name, format=format)
        made.append((real_server.machine(name, catalog, [stid], **more), stid))
        return made[-1]

    yield make
    for vmid, stid in made:
        real_server.call("DELETE", "/v", vmid=vmid).expect(200, 404)
        real_server.call("DELETE", "/r", rid=stid).expect(200, 404)


@pytest.fixture
def disk(real_server, request):
    made = []

    def disk(**more):
        made.append(real_server.disk(f"{request.node.name} disk {len(made)}"[:64], **more))
        return made[-1]

    yield disk
    for stid in made:
        real_server.call("DELETE", "/r", rid=stid)


def run(server, vmid):
    boots = server.console(vmid).count("VELOCITY-GUEST-READY")
    server.change(vmid, "RUNNING").expect(200)
    eventually(lambda: server.console(vmid).count("VELOCITY-GUEST-READY") > boots, 240, 0.2, "the guest's word that it is ready")


def stop(server, vmid):
    server.change(vmid, "STOPPED", force=True).expect(200, 208)


def volume(server, stid):
    return server.state_directory / "pools" / "default" / stid


def has_snapshots(file):
    said = subprocess.run(["qemu-img", "info", "-f", "qcow2", file], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return "Snapshot list" in said.stdout


def test_a_linux_guest_sees_disks_come_and_go(real_server, make, disk):
    vmid, boot = make("linux", memory_size_mb=256)
    run(real_server, vmid)
    added = disk(size_mb=3)
    answer = real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[boot, added]).expect(200).json
    assert answer["changes"] == {"storage_devices": "live"} and answer["storage_devices"] == [boot, added]
    real_server.await_text(vmid, "CAME: disk vdb of 6144 sectors", 60)
    answer = real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[boot]).expect(200).json
    assert answer["changes"] == {"storage_devices": "live"}
    real_server.await_text(vmid, "WENT: disk vdb of 6144 sectors", 60)
    real_server.call("DELETE", "/r", rid=added).expect(200)

    refusal = real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[]).expect(409).json
    assert refusal["code"] == "machine.boot_disk" and refusal["rid"] == boot
    stop(real_server, vmid)
    run(real_server, vmid)


def test_a_linux_guest_sees_a_nic_come_and_go(real_server, make):
    vmid, _ = make("linux", memory_size_mb=256)
    mac = "02:00:00:00:77:01"
    nic = real_server.call("PUT", "/r/user-nic", group=0, label="plugged in").expect(200).json["nicid"]
    run(real_server, vmid)
    wanted = {"nics": [{"nicid": nic, "mac_address": mac}]}
    rehearsed = real_server.call("PATCH", "/v", wanted, vmid=vmid, dry_run=True).expect(200).json
    assert rehearsed["changes"] == {"nics": "live"} and mac in rehearsed["domain_xml"]
    assert real_server.call("GET", "/v", vmid=vmid).expect(200).json["nics"] == []

    assert real_server.call("PATCH", "/v", wanted, vmid=vmid).expect(200).json["changes"] == {"nics": "live"}
    real_server.await_text(vmid, f"CAME: nic {mac}", 60)
    real_server.call("DELETE", "/r", rid=nic).expect(409)

    assert real_server.call("PATCH", "/v", vmid=vmid, nics=[]).expect(200).json["changes"] == {"nics": "live"}
    real_server.await_text(vmid, f"WENT: nic {mac}", 60)
    real_server.call("DELETE", "/r", rid=nic).expect(200)
    stop(real_server, vmid)


def test_a_guest_that_does_not_let_go_keeps_its_disk(real_server, make, disk):
    vmid, boot = make()
    second = disk()
    real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[boot, second]).expect(200)
    run(real_server, vmid)
    before = real_server.call("GET", "/v", vmid=vmid).expect(200).json
    refusal = real_server.call("PATCH", "/v", vmid=vmid, name="another", storage_devices=[boot]).expect(409).json
    assert refusal["code"] == "machine.running" and refusal["rid"] == second
    assert real_server.call("GET", "/v", vmid=vmid).expect(200).json == before
    real_server.call("DELETE", "/r", rid=second).expect(409)
    stop(real_server, vmid)
    real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[boot]).expect(200)


def test_a_cd_is_changed_and_taken_out_while_the_guest_runs(real_server, make, disk):
    vmid, boot = make()
    first, second = disk(format="raw"), disk(format="raw")
    cd = {"cdrom": True}
    real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[boot, {"stid": first, **cd}]).expect(200)
    run(real_server, vmid)
    answer = real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[boot, {"stid": second, **cd}]).expect(200).json
    assert answer["changes"] == {"storage_devices": "live"}
    used = [entry.get("stid") for entry in real_server.call("GET", "/v/stats", vmid=vmid).expect(200).json["storage_devices"]]
    assert used == [boot, second]
    real_server.call("DELETE", "/r", rid=first).expect(200)
    assert real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[boot]).expect(200).json["changes"] == {"storage_devices": "live"}
    real_server.call("DELETE", "/r", rid=second).expect(200)


def test_what_a_stopped_machine_was_comes_back_with_its_disk_and_its_firmware(real_server, make):
    vmid, stid = make(format="qcow2")
    run(real_server, vmid)
    stop(real_server, vmid)
    variables = real_server.state_directory / "nvram" / f"{vmid}.fd"
    before = hashlib.sha256(variables.read_bytes()).hexdigest()
    real_server.call("PUT", "/v/snapshot", vmid=vmid, name="before").expect(200)

    file = volume(real_server, stid)
    assert has_snapshots(file)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 0 1M", file], check=True, capture_output=True)
    with open(variables, "r+b") as firmware:
        firmware.write(b"\x5a" * 4096)
    real_server.call("PATCH", "/v", vmid=vmid, cpu_count=2).expect(200)

    real_server.call("POST", "/v/snapshot", vmid=vmid, name="before").expect(200)
    assert real_server.call("GET", "/v", vmid=vmid).expect(200).json["cpu_count"] == 1
    assert hashlib.sha256(variables.read_bytes()).hexdigest() == before
    run(real_server, vmid)
    stop(real_server, vmid)
    real_server.call("DELETE", "/v/snapshot", vmid=vmid, name="before").expect(200)
    assert not has_snapshots(file)
    assert [file.name for file in variables.parent.iterdir() if vmid not in file.name] == []


def test_a_running_efi_machine_is_not_kept_and_the_answer_says_why(real_server, make):
    vmid, _ = make(format="qcow2")
    run(real_server, vmid)
    refusal = real_server.call("PUT", "/v/snapshot", vmid=vmid, name="with memory").expect(409).json
    assert refusal["code"] == "snapshot.impossible" and "firmware" in refusal["message"]
    assert real_server.call("GET", "/v/snapshot", vmid=vmid).expect(200).json["snapshots"] == []
    stop(real_server, vmid)
    real_server.call("PUT", "/v/snapshot", vmid=vmid, name="stopped").expect(200)
    run(real_server, vmid)
    for method in ("POST", "DELETE"):
        assert real_server.call(method, "/v/snapshot", vmid=vmid, name="stopped").expect(409).json["code"] == "machine.running"


def test_a_kernels_machine_goes_on_from_its_memory(real_server, catalog, disk):
    kernel = real_server.upload(velocity.guest("linux-kernel"), "kernel to go back to")
    initrd = real_server.upload(velocity.guest("linux-initrd"), "initrd to go back to")
    root, added = disk(), disk(size_mb=3)
    vmid = real_server.machine("with memory", catalog, [root], type="kboot", memory_size_mb=256, kernel=kernel, initrd=initrd, cmdline="console=ttyS0 quiet")
    run(real_server, vmid)
    assert real_server.call("PUT", "/v/snapshot", vmid=vmid, name="running").expect(200).json["memory"] is True
    assert real_server.state(vmid) == "RUNNING"
    for leave in (lambda: stop(real_server, vmid), lambda: real_server.change(vmid, "PAUSED").expect(200)):
        leave()
        assert real_server.call("POST", "/v/snapshot", vmid=vmid, name="running").expect(200).json["state"] == "RUNNING"
        assert real_server.state(vmid) == "RUNNING"
    came = real_server.console(vmid).count("CAME: disk")
    assert real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[root, added]).expect(200).json["changes"] == {"storage_devices": "live"}
    eventually(lambda: real_server.console(vmid).count("CAME: disk") > came, 60, 0.2, "a word of the guest that went on")
    assert real_server.console(vmid).count("VELOCITY-GUEST-READY") == 1
    real_server.call("DELETE", "/v/snapshot", vmid=vmid, name="running").expect(200)
    stop(real_server, vmid)
    assert not has_snapshots(volume(real_server, root))
    real_server.call("DELETE", "/v", vmid=vmid).expect(200)
    for rid in (kernel, initrd):
        real_server.call("DELETE", "/r", rid=rid).expect(200)


def test_a_clone_and_a_linked_clone_boot_from_disks_of_their_own(real_server, make, catalog):
    vmid, stid = make(format="qcow2")
    run(real_server, vmid)
    assert real_server.call("PUT", "/v/clone", vmid=vmid, name="too early", catalog=catalog).expect(409).json["code"] == "machine.running"
    stop(real_server, vmid)
    rehearsed = real_server.call("PUT", "/v/clone", vmid=vmid, name="full", catalog=catalog, dry_run=True).expect(200).json
    assert rehearsed["storage_devices"] == [] and len(rehearsed["disks"]) == 1 and "<domain" in rehearsed["domain_xml"]
    full = real_server.call("PUT", "/v/clone", vmid=vmid, name="full", catalog=catalog).expect(200).json["vmid"]
    real_server.call("PATCH", "/v", vmid=vmid, storage_devices=[{"stid": stid, "readonly": True}]).expect(200)
    linked = real_server.call("PUT", "/v/clone", vmid=vmid, name="linked", catalog=catalog, linked=True).expect(200).json["vmid"]
    run(real_server, full)
    run(real_server, linked)
    disks = [real_server.call("GET", "/v", vmid=clone).expect(200).json["storage_devices"][0] for clone in (full, linked)]
    assert len({stid, *disks}) == 3
    real_server.call("DELETE", "/v", vmid=vmid).expect(200)
    real_server.call("DELETE", "/r", rid=stid).expect(409)
    for clone, disk in zip((full, linked), disks):
        real_server.call("DELETE", "/v", vmid=clone).expect(200)
        real_server.call("DELETE", "/r", rid=disk).expect(200)


@pytest.mark.covers("GET /v/screenshot 200")
def test_the_screen_of_a_running_guest_is_a_picture(real_server, make):
    vmid, _ = make(displays=[{"width": 1280, "height": 800}])
    assert real_server.call("GET", "/v/screenshot", vmid=vmid).expect(409).json["code"] == "machine.not_running"
    run(real_server, vmid)
    answer = real_server.call("GET", "/v/screenshot", vmid=vmid, display=0).expect(200)
    assert answer.headers["content-type"] == "image/png"
    assert answer.body[:8] == b"\x89PNG\r\n\x1a\n" and answer.body[-8:-4] == b"IEND"
    real_server.call("GET", "/v/screenshot", vmid=vmid, display=1).expect(404)


def test_a_running_guest_is_counted(real_server, make):
    vmid, stid = make()
    assert "cpu" not in real_server.call("GET", "/v/stats", vmid=vmid).expect(200).json
    run(real_server, vmid)
    first = real_server.call("GET", "/v/stats", vmid=vmid).expect(200).json
    assert first["cpu"]["count"] == 1 and first["cpu"]["time_ns"] > 0
    assert first["memory"]["current_kib"] == 128 << 10 and first["memory"]["resident_kib"] > 0
    assert first["storage_devices"][0]["stid"] == stid and first["storage_devices"][0]["read_bytes"] > 0
    eventually(lambda: real_server.call("GET", "/v/stats", vmid=vmid).json["cpu"]["time_ns"] > first["cpu"]["time_ns"], what="more time")
