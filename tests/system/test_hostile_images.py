"""Whatever an image points at is left alone: by uploads, by every operation on a disk into which a guest has written such an image, and by one whose
own file has become such an image.

A guest may write what it likes to its raw disk, so its first bytes can be those of any image format. Nothing may ever take them for that.

The kernel watches the victims, whoever it is that touches them: the server, its hypervisor, its guests' QEMU or its sandboxes. Their owners, modes,
sizes and times stay what they were.
"""

import os
import subprocess

import pytest

import velocity
from hostile_images import MIB, Victims, corpus


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    victims = Victims(tmp_path_factory.mktemp("hostile"))
    assert victims.touched() == ""
    yield victims
    assert victims.touched() == ""
    victims.file.read_bytes()
    seen = victims.touched()
    assert "files" in seen, "the watch does not work"
    assert "opened or changed by" in seen or os.geteuid() != 0, seen
    victims.close()


@pytest.fixture(scope="module")
def server(victims):
    with velocity.Server("--accel", "tcg") as server:
        yield server


@pytest.fixture
def watch(victims):
    assert victims.touched() == ""
    return victims


@pytest.fixture(scope="module")
def images(victims):
    images = corpus(victims)
    assert len(images) >= 40
    return images


@pytest.mark.parametrize("what", ["qcow2 over a file", "old qcow2 over a file", "qcow2 over a file in other words", "qcow2 over a file as json",
                                  "qcow2 with its data in a file", "qcow2 over a socket", "qcow2 over a port", "vmdk over a base", "qed over a file"])
def test_the_watch_sees_what_an_unguarded_program_does_with_such_an_image(tmp_path, what):
    victims = Victims(tmp_path)
    image = tmp_path / "image"
    image.write_bytes(corpus(victims)[what])
    # A victim that listens and says nothing would be waited for.
    subprocess.run(["timeout", "2", "qemu-img", "convert", "-O", "raw", str(image), str(tmp_path / "out")],
                   capture_output=True, check=False)
    assert victims.touched() != "", what
    victims.close()


@pytest.mark.parametrize("format", ["raw", "qcow2", "iso"])
def test_no_upload_of_any_becomes_a_resource(server, images, watch, format):
    accepted = []
    for number, (what, image) in enumerate(images.items()):
        location = server.create_upload(len(image), f"{format} {number}", format=format).expect(201).headers["location"]
        answer = server.append_upload(location, 0, image)
        assert answer.status in (204, 422), (what, answer.text)
        assert watch.touched() == "", what
        if answer.status == 204:
            accepted.append(what)
    assert accepted == []
    assert server.call("GET", "/r", kind="storage").expect(200).json["resources"] == []


# Where a disk can be put.
ATTACHMENTS = [{"bus": "virtio"}, {"bus": "scsi"}, {"bus": "usb"}, {"bus": "sata"}, {"bus": "sata", "cdrom": True}, {"bus": "scsi", "cdrom": True},
               {"bus": "usb", "cdrom": True}, {"bus": "virtio", "readonly": True}]
AT_ONCE = 2  # images in one machine


def test_no_operation_takes_a_guests_bytes_for_an_image(server, images, watch):
    catalog = server.catalog("hostile")
    everything = list(images.items())
    for first in range(0, len(everything), AT_ONCE):
        made, devices = [], []
        for number in range(first, min(first + AT_ONCE, len(everything))):
            what, image = everything[number]
            disks = operate(server, number, image)
            keep(server, catalog, number, disks[3])
            assert watch.touched() == "", what
            made += disks
            # The source of the linked clone is last and may only be read.
            devices += [{"stid": disk, **options} for disk, options in zip(disks[:7] + disks[-1:], ATTACHMENTS)]
        vmid = server.machine(f"hostile {first}", catalog, devices)
        server.change(vmid, "RUNNING").expect(200)
        server.change(vmid, "STOPPED", force=True).expect(200, 208)
        assert watch.touched() == "", [what for what, _ in everything[first:first + AT_ONCE]]
        server.call("DELETE", "/v", vmid=vmid).expect(200)
        for disk in made:
            server.call("DELETE", "/r", rid=disk).expect(200)
    assert watch.touched() == ""


def keep(server: velocity.Server, catalog: str, number: int, overlay: str):
    """A snapshot of the linked clone, gone back to and removed; of the raw disk below it there can be none."""
    vmid = server.machine(f"kept {number}", catalog, [overlay])
    for method in ("PUT", "POST", "DELETE"):
        server.call(method, "/v/snapshot", vmid=vmid, name="before").expect(200)
    server.call("DELETE", "/v", vmid=vmid).expect(200)


def volume(server: velocity.Server, disk: str):
    return server.state_directory / "pools" / "default" / disk


def operate(server: velocity.Server, number: int, image: bytes) -> list[str]:
    """Every operation on a raw disk with these first bytes. The disks that came of it: eight, and the source of the linked one."""
    source = server.disk(f"hostile {number}", size_mb=1, format="raw")
    with open(volume(server, source), "r+b") as file:
        file.write(image[:MIB])

    def clone(what, of, **more):
        return server.call("PUT", "/r/disk-image", group=0, label=f"{what} of {number}", source=of, **more).expect(200).json["stid"]

    linked = clone("linked", source, linked=True)
    copies = [clone("copy", source), clone("larger copy", source, size_mb=2), clone("copy of the linked", linked), clone("linked to the linked", linked, linked=True)]
    copies += [clone(f"copy {i}", source) for i in range(3)]
    server.call("POST", "/r", rid=copies[0], size_mb=3).expect(200)
    server.call("POST", "/r", rid=copies[3], size_mb=3).expect(200)
    key = {"Authorization": f"Bearer {server.root_key()}"}
    assert server.request("GET", f"/r/content?rid={source}", headers=key).expect(200).body[:len(image)] == image[:MIB]
    server.request("GET", f"/r/content?rid={copies[2]}", headers=key).expect(200)
    server.request("GET", f"/r/content?rid={linked}", headers=key).expect(409)
    server.call("DELETE", "/r", rid=source).expect(409)
    return copies + [linked, source]


def test_a_qcow2_disk_whose_header_was_tampered_with_leads_a_guest_nowhere(server, images, watch):
    """No client can do this: whoever writes to the files of the pool is the server's own user. That QEMU is told what lies below each disk, and that
    a volume is looked at before a machine starts on it, holds all the same."""
    catalog = server.catalog("tampered")
    tampered = {what: image for what, image in images.items() if "qcow2 over" in what or "qcow2 with" in what}
    assert len(tampered) >= 25
    for number, (what, image) in enumerate(tampered.items()):
        disk = server.disk(f"tampered {number}")
        vmid = server.machine(f"tampered {number}", catalog, [{"stid": disk, **ATTACHMENTS[number % 4]}])
        volume(server, disk).write_bytes(image)
        server.change(vmid, "RUNNING").expect(200, 422, 500)
        assert watch.touched() == "", what
        server.change(vmid, "STOPPED", force=True).expect(200, 208)
        for method, path, fields in (("POST", "/r", {"rid": disk, "size_mb": 2}), ("PUT", "/v/snapshot", {"vmid": vmid, "name": "s"}),
                                     ("PUT", "/r/disk-image", {"group": 0, "label": f"copy {number}", "source": disk}),
                                     ("PUT", "/v/clone", {"vmid": vmid, "name": f"copy {number}", "catalog": catalog})):
            assert server.call(method, path, fields).status >= 400, (what, method, path)
        assert watch.touched() == "", what
        server.call("DELETE", "/v", vmid=vmid).expect(200)
        server.call("DELETE", "/r", rid=disk).expect(200)
