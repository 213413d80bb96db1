"""Whatever an image points at is left alone: by uploads, and by every operation on a disk into which a guest has written such an image.

A guest may write what it likes to its raw disk, so its first bytes can be those of any image format. Nothing may ever take them for that.
"""

import pytest

import velocity
from hostile_images import MIB, Victims, corpus


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    victims = Victims(tmp_path_factory.mktemp("victims"))
    assert victims.touched() == ""
    yield victims
    assert victims.touched() == ""
    victims.file.read_bytes()
    assert "files" in victims.touched(), "the watch does not work"
    victims.close()


@pytest.fixture(scope="module")
def images(victims):
    images = corpus(victims)
    assert len(images) >= 40
    return images


@pytest.mark.parametrize("format", ["raw", "qcow2", "iso"])
def test_no_upload_of_any_becomes_a_resource(real_server, images, victims, format):
    server = real_server
    accepted = []
    for number, (what, image) in enumerate(images.items()):
        location = server.create_upload(len(image), f"{format} {number}", format=format).expect(201).headers["location"]
        answer = server.append_upload(location, 0, image)
        assert answer.status in (204, 422), (what, answer.text)
        assert victims.touched() == "", what
        if answer.status == 204:
            accepted.append(what)
    assert accepted == []
    assert server.call("GET", "/r", kind="storage").expect(200).json["resources"] == []


# Where a disk can be put.
ATTACHMENTS = [{"bus": "virtio"}, {"bus": "scsi"}, {"bus": "usb"}, {"bus": "sata"}, {"bus": "sata", "cdrom": True}, {"bus": "scsi", "cdrom": True},
               {"bus": "usb", "cdrom": True}, {"bus": "virtio", "readonly": True}]
AT_ONCE = 2  # images in one machine


def test_no_operation_takes_a_guests_bytes_for_an_image(real_server, images, victims):
    server = real_server
    catalog = server.catalog("hostile")
    everything = list(images.items())
    for first in range(0, len(everything), AT_ONCE):
        made, devices = [], []
        for number in range(first, min(first + AT_ONCE, len(everything))):
            what, image = everything[number]
            disks = operate(server, number, image)
            keep(server, catalog, number, disks[3])
            assert victims.touched() == "", what
            made += disks
            # The source of the linked clone is last and may only be read.
            devices += [{"stid": disk, **options} for disk, options in zip(disks[:7] + disks[-1:], ATTACHMENTS)]
        vmid = server.machine(f"hostile {first}", catalog, devices)
        server.change(vmid, "RUNNING").expect(200)
        server.change(vmid, "STOPPED", force=True).expect(200, 208)
        assert victims.touched() == "", [what for what, _ in everything[first:first + AT_ONCE]]
        server.call("DELETE", "/v", vmid=vmid).expect(200)
        for disk in made:
            server.call("DELETE", "/r", rid=disk).expect(200)
    assert victims.touched() == ""


def keep(server: velocity.Server, catalog: str, number: int, overlay: str):
    """A snapshot of the linked clone, gone back to and removed; of the raw disk below it there can be none."""
    vmid = server.machine(f"kept {number}", catalog, [overlay])
    for method in ("PUT", "POST", "DELETE"):
        server.call(method, "/v/snapshot", vmid=vmid, name="before").expect(200)
    server.call("DELETE", "/v", vmid=vmid).expect(200)


def operate(server: velocity.Server, number: int, image: bytes) -> list[str]:
    """Every operation on a raw disk with these first bytes. The disks that came of it: eight, and the source of the linked one."""
    source = server.disk(f"hostile {number}", size_mb=1, format="raw")
    with open(server.state_directory / "pools" / "default" / source, "r+b") as volume:
        volume.write(image[:MIB])

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
