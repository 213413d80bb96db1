"""Disks with real guests: a growth that the guest sees, linked clones that boot, and what is refused while a guest writes."""

import hashlib
import subprocess

import pytest

import velocity


@pytest.fixture(scope="module")
def catalog(real_server):
    return real_server.catalog("disks")


def volume(server, stid):
    return server.state_directory / "pools" / "default" / stid


def digest(server, stid):
    return hashlib.sha256(volume(server, stid).read_bytes()).hexdigest()


def download(server, stid):
    return server.request("GET", f"/r/content?rid={stid}", headers={"Authorization": f"Bearer {server.root_key()}"})


def stop(server, vmid):
    server.change(vmid, "STOPPED", force=True).expect(200, 208)


def remove(server, *rids):
    for rid in rids:
        server.call("DELETE", "/r", rid=rid).expect(200)


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_a_guest_sees_its_disk_grow_while_it_runs(real_server, catalog, format):
    server = real_server
    boot = server.upload(velocity.guest("linux"), f"boot of {format}")
    data = server.disk(f"data as {format}", size_mb=2, format=format)
    vmid = server.machine(f"growing {format}", catalog, [boot, data], memory_size_mb=256)
    server.change(vmid, "RUNNING").expect(200)
    server.await_text(vmid, "VELOCITY-GUEST-READY", 240)
    assert server.call("POST", "/r", rid=data, size_mb=5).expect(200).json["size_mb"] == 5
    server.await_text(vmid, "CAME: disk vdb of 10240 sectors", 60)
    refusal = server.call("POST", "/r", rid=data, size_mb=4).expect(400).json
    assert refusal["problems"][0]["path"] == "/size_mb"
    assert server.call("PUT", "/r/disk-image", group=0, label="of a running disk", source=data).expect(409).json["vmid"] == vmid
    assert server.call("PUT", "/r/disk-image", group=0, label="of a running disk", source=data, linked=True).expect(409).json["vmid"] == vmid
    assert download(server, data).expect(409).json["code"] == "resource.in_use"
    stop(server, vmid)
    shown = subprocess.run(["qemu-img", "info", "--output=json", "-f", format, volume(server, data)], capture_output=True, check=True, text=True).stdout
    assert '"virtual-size": 5242880' in shown
    server.call("POST", "/r", rid=data, size_mb=6).expect(200)
    assert download(server, data).expect(200).body == volume(server, data).read_bytes()
    server.call("DELETE", "/v", vmid=vmid).expect(200)
    remove(server, boot, data)


def test_linked_clones_boot_side_by_side_and_their_source_stays_as_it_was(real_server, catalog):
    server = real_server
    source = server.upload(velocity.guest("tiny"), "golden")
    before = digest(server, source)
    clones = [server.call("PUT", "/r/disk-image", group=0, label=f"clone {i}", source=source, linked=True).expect(200).json["stid"] for i in (1, 2)]
    above = server.call("PUT", "/r/disk-image", group=0, label="clone of a clone", source=clones[1], linked=True).expect(200).json["stid"]
    machines = [server.machine(f"clone {i}", catalog, [stid]) for i, stid in enumerate((clones[0], above))]
    for vmid in machines:
        server.change(vmid, "RUNNING").expect(200)
    for vmid in machines:
        server.await_text(vmid, "VELOCITY-GUEST-READY", 120)
        stop(server, vmid)
    assert digest(server, source) == before
    refusal = server.call("DELETE", "/r", rid=source).expect(409).json
    assert refusal["rid"] in clones
    copy = server.call("PUT", "/r/disk-image", group=0, label="copy", source=above).expect(200).json["stid"]
    for vmid in machines:
        server.call("DELETE", "/v", vmid=vmid).expect(200)
    remove(server, above, *clones, source)
    alone = server.machine("alone", catalog, [copy])
    server.change(alone, "RUNNING").expect(200)
    server.await_text(alone, "VELOCITY-GUEST-READY", 120)
    server.call("DELETE", "/v", vmid=alone).expect(200)
    remove(server, copy)
