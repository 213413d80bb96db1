"""What can be done with disks and storage pools: every documented status of /r, /r/content, /r/pools, and of /r/upload's further extensions."""

import base64
import hashlib
import os
import re
import socket
import urllib.parse

import pytest

import contract
import velocity
from contract import ERROR, Row
from world import People, World

PROBLEMS = ERROR | {"problems"}


@pytest.fixture(scope="module")
def people(mock_server):
    return People(mock_server)


@pytest.fixture
def world(mock_server, people, tmp_path):
    """A world that knows disks of every kind, and a directory of the host."""
    world = World(mock_server, people)
    owner = people["owner"].group

    def disk(label, **fields):
        return mock_server.disk(f"{label} {world.number}", owner, **fields)

    def attached(disk, running=False, **options):
        vmid = mock_server.machine(f"with {disk[:8]} {world.number}", world["CID"], [{"stid": disk, **options}])
        if running:
            mock_server.change(vmid, "RUNNING").expect(200)
        return vmid

    def base():
        stid = disk("base")
        world._things["LINKED-STID"] = mock_server.call("PUT", "/r/disk-image", group=owner, label=f"linked {world.number}", source=stid, linked=True).expect(200).json["stid"]
        return stid

    def running():
        stid = disk("running")
        world._things["WRITER"] = attached(stid, running=True)
        return stid

    def lent():
        stid = disk("lent")
        mock_server.call("POST", "/r/share", rid=stid, gid=people["stranger"].group, use=True).expect(200)
        return stid

    def pool():
        directory = tmp_path / "pool"
        directory.mkdir()
        mock_server.call("PUT", "/r/pools", {"name": f"pool-{world.number}", "path": str(directory)}).expect(200)
        return f"pool-{world.number}"

    def full_pool():
        disk("in a pool", pool=world["POOL"])
        return world["POOL"]

    def limited():
        mock_server.call("POST", "/u/group/quota", gid=people["limited"].group, storage_mb=4).expect(200)
        return people["limited"].group

    world._makers.update({
        "BASE-STID": base, "LINKED-STID": lambda: (world["BASE-STID"], world._things["LINKED-STID"])[1], "RUNNING-STID": running, "LENT-STID": lent,
        "READ-STID": lambda: [stid := disk("read"), attached(stid, running=True, readonly=True)][0], "TAKEN-LABEL": lambda: [label := f"taken {world.number}", disk("taken")][0],
        "RAW-STID": lambda: disk("raw", format="raw"), "POOL": pool, "FULL-POOL": full_pool, "DIRECTORY": lambda: str(tmp_path), "LIMITED-GID": limited,
    })
    return world


def make(fields: str, group: str = "<GID>", label: str = "<NAME>") -> str:
    return f'{{"authkey": "<authkey>", "group": "{group}", "label": "{label}", {fields}}}'


def alter(fields: str, rid: str = "<STID>") -> str:
    return f'{{"authkey": "<authkey>", "rid": "{rid}", {fields}}}'


CLONES = [
    Row(200, "PUT", "/r/disk-image", make('"source": "<STID>"'), {"rid", "stid"}, why="a full clone"),
    Row(200, "PUT", "/r/disk-image", make('"source": "<STID>", "size_mb": "2"'), {"rid", "stid"}, why="a larger one"),
    Row(200, "PUT", "/r/disk-image", make('"source": "<STID>", "linked": true'), {"rid", "stid"}, why="a linked one"),
    Row(200, "PUT", "/r/disk-image", make('"source": "<READ-STID>", "linked": true'), {"rid", "stid"}, why="of a disk that a machine reads"),
    Row(200, "PUT", "/r/disk-image", make('"source": "<LENT-STID>"', "<STRANGER-GID>"), {"rid", "stid"}, "stranger", "of a disk that is lent"),
    Row(200, "PUT", "/r/disk-image", make('"size_mb": 1, "pool": "<POOL>"'), {"rid", "stid"}, why="in a pool"),
    Row(400, "PUT", "/r/disk-image", make('"format": "raw"'), PROBLEMS, why="of no size"),
    Row(400, "PUT", "/r/disk-image", make('"size_mb": 1, "linked": true'), PROBLEMS, why="linked to nothing"),
    Row(400, "PUT", "/r/disk-image", make('"source": "/etc/shadow"'), PROBLEMS, why="a path where an id is asked for"),
    Row(400, "PUT", "/r/disk-image", make('"source": "<STID>", "format": "raw"'), PROBLEMS, why="another format"),
    Row(400, "PUT", "/r/disk-image", make('"source": "<STID>", "size_mb": 0'), PROBLEMS),
    Row(400, "PUT", "/r/disk-image", make('"size_mb": 99999999999999999999'), PROBLEMS, why="a size that overflows"),
    Row(400, "PUT", "/r/disk-image", make('"size_mb": 9007199254740993'), PROBLEMS),
    Row(400, "PUT", "/r/disk-image", make('"size_mb": 1, "format": "iso"'), PROBLEMS, why="an empty CD"),
    Row(400, "PUT", "/r/disk-image", make('"source": "<STID>", "linked": true, "pool": "<POOL>"'), PROBLEMS, why="a linked clone apart from its source"),
    Row(404, "PUT", "/r/disk-image", make('"source": "<ABSENT>"'), {"code": "resource.not_found", "type": "storage", "rid": "<ABSENT>"}),
    Row(404, "PUT", "/r/disk-image", make('"source": "<FOREIGN-STID>"'), {"code": "resource.not_found", "rid": "<FOREIGN-STID>"}, "owner"),
    Row(404, "PUT", "/r/disk-image", make('"size_mb": 1, "pool": "nowhere"'), {"code": "pool.not_found"}),
    Row(406, "PUT", "/r/disk-image", make('"size_mb": 5', "<LIMITED-GID>"), {"code": "quota.exceeded", "quota": "storage_mb"}),
    Row(409, "PUT", "/r/disk-image", make('"size_mb": 1', label="<TAKEN-LABEL>"), {"code": "resource.label_taken"}),
    Row(409, "PUT", "/r/disk-image", make('"source": "<RUNNING-STID>"'), {"code": "resource.in_use", "vmid": "<WRITER>"}, why="a running machine writes to it"),
    Row(409, "PUT", "/r/disk-image", make('"source": "<USED-STID>", "linked": true'), {"code": "resource.in_use", "vmid": ...}, why="a machine could write to it"),
    Row(401, "PUT", "/r/disk-image", '{"group": "<GID>", "label": "<NAME>", "size_mb": 1}', why="no authkey"),
    Row(409, "DELETE", "/r", '{"authkey": "<authkey>", "rid": "<BASE-STID>"}', {"code": "resource.in_use", "rid": "<LINKED-STID>"}),
    Row(200, "DELETE", "/r", '{"authkey": "<authkey>", "rid": "<LINKED-STID>"}', None),
    Row(401, "DELETE", "/r", '{"authkey": "<authkey>", "rid": "<LENT-STID>"}', {"code": "resource.denied"}, "stranger"),
    Row(409, "PUT", "/v/efi", contract.efi(storage_devices=["<BASE-STID>"]), {"code": "resource.in_use", "rid": "<LINKED-STID>"}, why="a base is not written to"),
    Row(200, "PUT", "/v/efi", contract.efi(storage_devices=[{"stid": "<BASE-STID>", "readonly": True}], rosetta=False), {"vmid"}, why="but read"),
    Row(200, "PUT", "/v/efi", contract.efi(storage_devices=["<LINKED-STID>"], rosetta=False), {"vmid"}),
]

ALTERATIONS = [
    Row(200, "POST", "/r", alter('"label": "<NAME>"'), {"rid": "<STID>", "label": "<NAME>"}),
    Row(200, "POST", "/r", '{"authkey": "<authkey>", "stid": "<STID>", "size_mb": "3"}', {"size_mb": 3, "kind": "storage"}, "owner"),
    Row(200, "POST", "/r", alter('"size_mb": 2, "label": "<NAME>"', "<RAW-STID>"), {"size_mb": 2, "label": "<NAME>"}),
    Row(200, "POST", "/r", alter('"size_mb": 2', "<LINKED-STID>"), {"size_mb": 2, "linked": True, "source": "<BASE-STID>"}),
    Row(200, "POST", "/r", alter('"size_mb": 1'), {"size_mb": 1}, why="as it is"),
    Row(200, "POST", "/r", '{"authkey": "<authkey>", "rid": "<STID>"}', {"rid": "<STID>"}, why="nothing at all"),
    Row(400, "POST", "/r", '{"authkey": "<authkey>", "size_mb": 2}', PROBLEMS, why="which one?"),
    Row(400, "POST", "/r", alter('"size_mb": 0'), PROBLEMS),
    Row(400, "POST", "/r", alter('"size_mb": 99999999999999999999'), PROBLEMS, why="a size that overflows"),
    Row(400, "POST", "/r", alter('"format": "raw"'), PROBLEMS),
    Row(400, "POST", "/r", alter('"path": "/etc/shadow"'), PROBLEMS),
    Row(400, "POST", "/r", alter('"label": "../x"'), PROBLEMS),
    Row(401, "POST", "/r", alter('"label": "<NAME>"', "<LENT-STID>"), {"code": "resource.denied"}, "stranger"),
    Row(401, "POST", "/r", '{"rid": "<STID>", "label": "x"}', why="no authkey"),
    Row(404, "POST", "/r", alter('"label": "<NAME>"', "<FOREIGN-STID>"), who="owner"),
    Row(404, "POST", "/r", alter('"label": "<NAME>"', "<ABSENT>")),
    Row(409, "POST", "/r", alter('"label": "<TAKEN-LABEL>"'), {"code": "resource.label_taken"}),
    Row(409, "POST", "/r", alter('"size_mb": 2', "<BASE-STID>"), {"code": "resource.in_use", "rid": "<LINKED-STID>"}, why="a linked clone is based on it"),
]

POOLS = [
    Row(200, "GET", "/r/pools", '{"authkey": "<authkey>"}', {"pools"}),
    Row(200, "GET", "/r/pools", '{"authkey": "<authkey>"}', {"pools"}, "stranger"),
    Row(401, "GET", "/r/pools", "{}", why="no authkey"),
    Row(200, "PUT", "/r/pools", '{"authkey": "<authkey>", "name": "<NAME>", "path": "<DIRECTORY>"}', {"name", "type", "path"}),
    Row(400, "PUT", "/r/pools", '{"authkey": "<authkey>", "name": "<NAME>", "path": "/nonexistent/directory"}', PROBLEMS),
    Row(400, "PUT", "/r/pools", '{"authkey": "<authkey>", "name": "<NAME>", "path": "../.."}', PROBLEMS),
    Row(400, "PUT", "/r/pools", '{"authkey": "<authkey>", "name": "<NAME>", "path": "<DIRECTORY>", "type": "gluster"}', PROBLEMS),
    Row(400, "PUT", "/r/pools", '{"authkey": "<authkey>", "name": "a/b"}', PROBLEMS),
    Row(401, "PUT", "/r/pools", '{"authkey": "<authkey>", "name": "<NAME>", "path": "<DIRECTORY>"}', {"code": "pool.denied"}, "owner"),
    Row(404, "PUT", "/r/pools", '{"authkey": "<authkey>", "name": "<NAME>", "type": "libvirt"}', {"code": "pool.not_found"}, why="the hypervisor has none of this name"),
    Row(409, "PUT", "/r/pools", '{"authkey": "<authkey>", "name": "<POOL>", "path": "<DIRECTORY>"}', {"code": "pool.name_taken"}),
    Row(200, "DELETE", "/r/pools", '{"authkey": "<authkey>", "name": "<POOL>"}', None),
    Row(400, "DELETE", "/r/pools", '{"authkey": "<authkey>", "name": "default"}', PROBLEMS),
    Row(401, "DELETE", "/r/pools", '{"authkey": "<authkey>", "name": "<POOL>"}', {"code": "pool.denied"}, "owner"),
    Row(404, "DELETE", "/r/pools", '{"authkey": "<authkey>", "name": "nowhere"}', {"code": "pool.not_found"}),
    Row(409, "DELETE", "/r/pools", '{"authkey": "<authkey>", "name": "<FULL-POOL>"}', {"code": "pool.in_use", "rid": ...}),
]

DOWNLOADS = [
    Row(400, "GET", "/r/content", '{"authkey": "<authkey>"}', PROBLEMS, why="which one?"),
    Row(400, "GET", "/r/content", '{"authkey": "<authkey>", "rid": "../../velocity.db"}', PROBLEMS),
    Row(400, "GET", "/r/content?authkey=<authkey>&rid=<STID>", None, PROBLEMS, why="an authkey in the address"),
    Row(401, "GET", "/r/content?rid=<STID>", None, why="no authkey"),
    Row(401, "GET", "/r/content?rid=<STID>", '{"authkey": "<authkey>"}', who="nobody"),
    Row(404, "GET", "/r/content?rid=<ABSENT>", '{"authkey": "<authkey>"}'),
    Row(404, "GET", "/r/content?rid=<FOREIGN-STID>", '{"authkey": "<authkey>"}', who="owner"),
    Row(405, "PUT", "/r/content?rid=<STID>", '{"authkey": "<authkey>"}'),
    Row(409, "GET", "/r/content?rid=<RUNNING-STID>", '{"authkey": "<authkey>"}', {"code": "resource.in_use", "vmid": "<WRITER>"}),
    Row(409, "GET", "/r/content?rid=<LINKED-STID>", '{"authkey": "<authkey>"}', {"code": "resource.linked"}),
]


@pytest.mark.parametrize("row", contract.parameters(CLONES + ALTERATIONS + POOLS + DOWNLOADS))
def test_the_api_answers_as_documented(row, request):
    contract.check(row, request)


def bearer(server, **headers):
    return {"Authorization": f"Bearer {server.root_key()}", **headers}


@pytest.mark.covers("GET /r/content 200", "GET /r/content 206", "GET /r/content 304", "GET /r/content 416")
def test_an_image_comes_back_as_it_was_sent(mock_server):
    image = os.urandom(1 << 20)
    stid = mock_server.upload(image, "there and back")
    whole = mock_server.request("GET", f"/r/content?rid={stid}", headers=bearer(mock_server)).expect(200)
    assert whole.body == image
    assert whole.headers["content-disposition"].startswith('attachment; filename="there and back.img"')
    part = mock_server.request("GET", f"/r/content?stid={stid}", headers=bearer(mock_server, Range="bytes=1000-1999")).expect(206)
    assert part.body == image[1000:2000] and part.headers["content-range"] == f"bytes 1000-1999/{1 << 20}"
    assert mock_server.request("GET", f"/r/content?rid={stid}", headers=bearer(mock_server, Range=f"bytes={1 << 20}-")).expect(416).json["code"] == "request.range"
    unchanged = bearer(mock_server, **{"If-None-Match": whole.headers["etag"]})
    assert mock_server.request("GET", f"/r/content?rid={stid}", headers=unchanged).expect(304).body == b""
    head = mock_server.curl("HEAD", f"/r/content?rid={stid}", None, "-H", f"Authorization: Bearer {mock_server.root_key()}").expect(200)
    assert head.headers["content-length"] == str(1 << 20)


def test_a_download_goes_on_where_it_broke(mock_server, tmp_path):
    image = os.urandom(3 << 20)
    stid = mock_server.upload(image, "broken off")
    (tmp_path / "part").write_bytes(image[:1_000_000])
    mock_server.curl("GET", f"/r/content?rid={stid}", None, "-H", f"Authorization: Bearer {mock_server.root_key()}", "-C", "-", "-o", str(tmp_path / "part"))
    assert (tmp_path / "part").read_bytes() == image


def checksum(algorithm: str, data: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def append(server, location, offset, data, **headers):
    return server.request("PATCH", location, data, bearer(server, **{"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset),
                                                                      "Content-Type": "application/offset+octet-stream", **headers}))


def offset_of(server, location):
    return int(server.request("HEAD", location, None, bearer(server, **{"Tus-Resumable": "1.0.0"})).expect(200).headers["upload-offset"])


@pytest.mark.covers("PATCH /r/upload/<id> 460")
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_what_its_checksum_does_not_fit_is_not_kept(mock_server, algorithm):
    image = os.urandom(100_000)
    location = mock_server.create_upload(len(image), f"checked by {algorithm}").expect(201).headers["location"]
    refusal = append(mock_server, location, 0, image[:5000], **{"Upload-Checksum": checksum(algorithm, image[:5001])})
    assert refusal.expect(460).json["code"] == "upload.checksum"
    assert offset_of(mock_server, location) == 0
    append(mock_server, location, 0, image[:5000], **{"Upload-Checksum": checksum(algorithm, image[:5000])}).expect(204)
    assert append(mock_server, location, 5000, image[5000:], **{"Upload-Checksum": checksum(algorithm, image[5000:])}).expect(204).headers["velocity-resource"]


def test_a_checksum_that_is_none_is_told(mock_server):
    location = mock_server.create_upload(10, "unchecked").expect(201).headers["location"]
    for wrong in ("sha1 x", "crc32 AAAA", "sha256"):
        assert append(mock_server, location, 0, b"12345", **{"Upload-Checksum": wrong}).expect(400).json["code"] == "request.malformed"


def test_an_upload_says_when_it_is_given_up(mock_server):
    created = mock_server.create_upload(10, "patient").expect(201)
    assert re.fullmatch(r"..., \d\d ... \d{4} \d\d:\d\d:\d\d GMT", created.headers["upload-expires"])
    assert "upload-expires" in append(mock_server, created.headers["location"], 0, b"12345").expect(204).headers
    assert "upload-expires" not in append(mock_server, created.headers["location"], 5, b"12345").expect(204).headers


@pytest.mark.parametrize("checked", [False, True])
def test_an_upload_goes_on_after_the_server_was_killed_in_its_midst(own_server, checked):
    """What came without a checksum is kept; what came under one was not found to fit it, and is taken back."""
    server = own_server(hypervisor="test:///default")
    image = os.urandom(4 << 20)
    location = server.create_upload(len(image), "killed").expect(201).headers["location"]
    append(server, location, 0, image[:1000]).expect(204)
    file = server.state_directory / "incoming" / location.rsplit("/", 1)[1]
    address = urllib.parse.urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as client:
        header = {"Host": "localhost", **bearer(server), "Tus-Resumable": "1.0.0", "Upload-Offset": "1000", "Content-Type": "application/offset+octet-stream",
                  "Content-Length": str(len(image) - 1000)}
        if checked:
            header["Upload-Checksum"] = checksum("sha1", image[1000:])
        client.sendall((f"PATCH {location} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in header.items()) + "\r\n").encode())
        client.sendall(image[1000:2_000_000])
        velocity.eventually(lambda: file.stat().st_size > 1_000_000, 30, what="bytes on disk")
        server.kill()
    server.start()
    offset = offset_of(server, location)
    assert offset == file.stat().st_size
    assert offset == 1000 if checked else offset > 1_000_000
    rest = {"Upload-Checksum": checksum("sha1", image[offset:])} if checked else {}
    resource = append(server, location, offset, image[offset:], **rest).expect(204).headers["velocity-resource"]
    assert server.request("GET", f"/r/content?rid={resource}", headers=bearer(server)).expect(200).body == image


def test_a_pool_of_the_hypervisors_is_for_others_once_a_manager_has_taken_it_up(mock_server, people):
    def told(key=""):
        return {pool["name"]: pool for pool in mock_server.call("GET", "/r/pools", key=key).expect(200).json["pools"]}

    found = told()["default-pool"]  # libvirt's test driver has it
    assert found["type"] == "dir" and found["state"] == "running" and found["libvirt"] and not found["offered"] and found["size_mb"] > 0
    assert "default-pool" not in told(people["stranger"].key)
    taken = mock_server.call("PUT", "/r/pools", name="default-pool", type="libvirt").expect(200).json
    assert taken == {"name": "default-pool", "type": "dir", "path": found["path"]}
    disk = mock_server.disk("in libvirt's pool", pool="default-pool")
    shown = told(people["stranger"].key)["default-pool"]
    assert shown["offered"] and shown["volumes"] == 1 and "path" not in shown
    mock_server.call("DELETE", "/r", rid=disk).expect(200)
    mock_server.call("DELETE", "/r/pools", name="default-pool").expect(200)
    assert not told()["default-pool"]["offered"]


def test_only_pool_managers_learn_where_a_pool_is(mock_server, people, tmp_path):
    mock_server.call("PUT", "/r/pools", {"name": "told", "path": str(tmp_path)}).expect(200)
    for_root = mock_server.call("GET", "/r/pools").expect(200).json["pools"]
    assert {"default", "told"} <= {pool["name"] for pool in for_root} and str(tmp_path) in {pool["path"] for pool in for_root}
    for_others = mock_server.call("GET", "/r/pools", key=people["stranger"].key).expect(200)
    assert "path" not in for_others.json["pools"][0] and str(tmp_path) not in for_others.text
