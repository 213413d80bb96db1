"""Images on their way in: tus 1.0 as its specification has it, and who may do what with an upload."""

import os
import socket
import struct
import subprocess
import threading
import urllib.parse

import pytest

import velocity
from world import NOBODY, People

MIB = 1 << 20


@pytest.fixture(scope="module")
def people(mock_server):
    return People(mock_server)


@pytest.fixture
def announced(mock_server, request):
    """The location of an upload of one MiB, by root."""
    return mock_server.create_upload(MIB, request.node.name).expect(201).headers["location"]


def tus(server, method, path, key="", version="1.0.0", body=None, **headers):
    headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return server.request(method, path, body, {"Tus-Resumable": version, "Authorization": f"Bearer {key or server.root_key()}", **headers})


def offset_of(server, location, key=""):
    return int(tus(server, "HEAD", location, key).expect(200, 204).headers["upload-offset"])


@pytest.mark.covers("OPTIONS /r/upload 204")
def test_the_server_says_what_it_speaks(mock_server):
    answer = mock_server.request("OPTIONS", "/r/upload").expect(204)
    assert answer.headers["tus-version"] == "1.0.0"
    assert {"creation", "termination"} <= set(answer.headers["tus-extension"].split(","))
    assert int(answer.headers["tus-max-size"]) > 0


@pytest.mark.covers("PATCH /r/upload/<id> 204", "HEAD /r/upload/<id> 200", "HEAD /r/upload/<id> 404")
def test_an_image_in_pieces_becomes_a_resource_with_its_last_piece(mock_server, announced):
    image = os.urandom(MIB)
    assert offset_of(mock_server, announced) == 0
    for start, end in ((0, 1), (1, 512), (512, 100_000), (100_000, MIB)):
        answer = mock_server.append_upload(announced, start, image[start:end]).expect(204)
        assert answer.headers["upload-offset"] == str(end)
        assert ("velocity-resource" in answer.headers) == (end == MIB)
    resource = mock_server.call("GET", "/r", rid=answer.headers["velocity-resource"]).expect(200).json
    assert (resource["type"], resource["kind"], resource["label"]) == ("disk-image", "storage", "test_an_image_in_pieces_becomes_a_resource_with_its_last_piece")
    volume = next(file for file in (mock_server.state_directory / "pools").rglob("*") if resource["rid"] in file.name)
    assert volume.read_bytes() == image
    assert tus(mock_server, "HEAD", announced).status == 404


def test_an_upload_goes_on_where_its_connection_broke(mock_server, announced):
    image = os.urandom(MIB)
    broken = subprocess.Popen(["curl", "-s", "--limit-rate", "200k", "-X", "PATCH", mock_server.url + announced, "-T", "-",
                               "-H", f"Authorization: Bearer {mock_server.root_key()}", "-H", "Tus-Resumable: 1.0.0", "-H", "Upload-Offset: 0",
                               "-H", "Content-Type: application/offset+octet-stream", "-H", f"Content-Length: {MIB}", "-H", "Transfer-Encoding:"],
                              stdin=subprocess.PIPE)
    feeder = threading.Thread(target=lambda: feed(broken.stdin, image))
    feeder.start()
    velocity.eventually(lambda: bytes_on_disk(mock_server, announced) > 0, 30, what="the first bytes")
    broken.kill()
    broken.wait()
    feeder.join()
    offset = velocity.eventually(lambda: (now := offset_of(mock_server, announced)) == bytes_on_disk(mock_server, announced) and now, what="a settled offset")
    assert 0 < offset < MIB
    answer = velocity.eventually(lambda: (tried := mock_server.append_upload(announced, offset, image[offset:])).status != 423 and tried)
    assert answer.expect(204).headers["velocity-resource"]


def feed(pipe, data):
    try:
        pipe.write(data)
        pipe.close()
    except BrokenPipeError:
        pass


def bytes_on_disk(server, location):
    file = server.state_directory / "incoming" / location.rsplit("/", 1)[1]
    return file.stat().st_size


@pytest.mark.covers("PATCH /r/upload/<id> 409")
@pytest.mark.parametrize("offset", [1, MIB + 1])
def test_a_piece_for_another_offset_is_refused(mock_server, announced, offset):
    refusal = mock_server.append_upload(announced, offset, b"x")
    assert refusal.expect(409).json["code"] == "upload.offset_mismatch"
    assert offset_of(mock_server, announced) == 0


@pytest.mark.covers("PATCH /r/upload/<id> 413", "POST /r/upload 413")
def test_more_than_was_announced_or_may_be_is_refused(mock_server, announced):
    assert mock_server.create_upload(1 << 62, "endless").expect(413).json["code"] == "request.too_large"
    assert mock_server.append_upload(announced, 0, bytes(MIB + 1)).expect(413).json["code"] == "request.too_large"
    assert offset_of(mock_server, announced) <= MIB
    assert mock_server.call("GET", "/v").status == 200


@pytest.mark.covers("DELETE /r/upload/<id> 204", "PATCH /r/upload/<id> 404")
def test_an_upload_that_is_given_up_is_gone(mock_server, announced):
    tus(mock_server, "DELETE", announced).expect(204)
    assert tus(mock_server, "HEAD", announced).status == 404
    assert mock_server.append_upload(announced, 0, b"x").status == 404
    assert list((mock_server.state_directory / "incoming").glob(announced.rsplit("/", 1)[1])) == []


@pytest.mark.parametrize("missing, status", [("version", 412), ("length", 400), ("metadata", 400), ("group", 400), ("format", 400), ("label", 400)])
def test_an_announcement_must_be_whole(mock_server, missing, status):
    metadata = {"group": "MA==", "label": "bGFiZWw=", "format": "cmF3"}
    metadata.pop(missing, None)
    headers = {"Upload_Length": 1, "Upload_Metadata": ",".join(f"{name} {value}" for name, value in metadata.items())}
    if missing in ("length", "metadata"):
        headers.pop(f"Upload_{missing.capitalize()}")
    answer = tus(mock_server, "POST", "/r/upload", version="0.2.1" if missing == "version" else "1.0.0", **headers)
    assert answer.status == status, answer.text
    if missing == "version":
        assert answer.headers["tus-version"] == "1.0.0"


@pytest.mark.covers("PATCH /r/upload/<id> 415", "PATCH /r/upload/<id> 400", "PATCH /r/upload/<id> 412", "HEAD /r/upload/<id> 412", "DELETE /r/upload/<id> 412",
                    "POST /r/upload 412", "POST /r/upload 400")
def test_what_is_not_tus_is_refused_and_nothing_is_written(mock_server, announced):
    kind = {"Content_Type": "application/offset+octet-stream"}
    assert tus(mock_server, "PATCH", announced, body=b"x", Upload_Offset=0, Content_Type="text/plain").expect(415).json["code"] == "request.not_understood"
    assert tus(mock_server, "PATCH", announced, body=b"x", **kind).expect(400).json["code"] == "request.malformed"
    for method, path in (("PATCH", announced), ("HEAD", announced), ("DELETE", announced), ("POST", "/r/upload")):
        assert tus(mock_server, method, path, version="0.9", Upload_Offset=0, **kind).expect(412).headers["tus-version"] == "1.0.0"
    assert tus(mock_server, "POST", "/r/upload", Upload_Length=1).expect(400).json["problems"]
    assert offset_of(mock_server, announced) == 0


@pytest.mark.covers("PATCH /r/upload/<id> 423")
def test_two_do_not_write_to_one_upload_at_once(mock_server, announced):
    address = urllib.parse.urlsplit(mock_server.url)
    with socket.create_connection((address.hostname, address.port)) as writer:
        writer.sendall((f"PATCH {announced} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {mock_server.root_key()}\r\nTus-Resumable: 1.0.0\r\n"
                        f"Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {MIB}\r\n\r\n").encode() + b"x" * 200_000)
        velocity.eventually(lambda: bytes_on_disk(mock_server, announced) > 0, 30, what="the first bytes")
        assert mock_server.append_upload(announced, 0, b"x").expect(423).json["code"] == "upload.busy"


@pytest.mark.covers("POST /r/upload 201", "POST /r/upload 409")
def test_a_label_is_taken_once(mock_server):
    mock_server.upload(os.urandom(4096), "taken")
    assert mock_server.create_upload(1, "taken").expect(409).json["code"] == "resource.label_taken"


@pytest.mark.covers("HEAD /r/upload/<id> 401", "PATCH /r/upload/<id> 401", "DELETE /r/upload/<id> 401", "DELETE /r/upload/<id> 404", "POST /r/upload 404",
                    "POST /r/upload 401")
def test_whose_upload_it_is_matters(mock_server, people):
    owner, stranger = people["owner"], people["stranger"]
    location = mock_server.create_upload(MIB, "the owner's", owner.group, key=owner.key).expect(201).headers["location"]
    absent = "/r/upload/00000000-0000-4000-8000-000000000000"
    for method in ("HEAD", "PATCH", "DELETE"):
        headers = {"Upload_Offset": 0, "Content_Type": "application/offset+octet-stream"} if method == "PATCH" else {}
        body = b"x" if method == "PATCH" else None
        assert tus(mock_server, method, location, NOBODY, body=body, **headers).status == 401
        foreign = tus(mock_server, method, location, stranger.key, body=body, **headers)
        nothing = tus(mock_server, method, absent, stranger.key, body=body, **headers)
        assert foreign.status == nothing.status == 404
        assert foreign.body.replace(location.rsplit("/", 1)[1].encode(), b"") == nothing.body.replace(absent.rsplit("/", 1)[1].encode(), b"")
        assert tus(mock_server, method, "/r/upload/not-an-id", stranger.key, body=body, **headers).status in (400, 404)
    assert offset_of(mock_server, location, owner.key) == 0
    assert offset_of(mock_server, location) == 0  # root
    assert mock_server.create_upload(1, "into another's group", owner.group, key=stranger.key).json["code"] == "group.not_found"
    assert mock_server.create_upload(1, "into no group", 999_999_999, key=stranger.key).json["code"] == "group.not_found"
    assert mock_server.create_upload(1, "by nobody", 0, key=NOBODY).status == 401


def qcow2(backing: bytes = b"", virtual_size: int = MIB) -> bytes:
    """A version 2 header, and the name of a backing file behind it."""
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 72 if backing else 0, len(backing), 16, virtual_size, 0, 1, 3 << 16, 1 << 16, 1, 0, 0)
    return (header + backing).ljust(4 << 16, b"\0")


@pytest.mark.covers("PATCH /r/upload/<id> 422")
@pytest.mark.parametrize("name, image, format, code", [
    ("outside", qcow2(b"/etc/shadow"), "qcow2", "image.backing_file"),
    ("lie", b"no qcow2 at all".ljust(MIB, b"\0"), "qcow2", "image.format_mismatch"),
    ("disguise", qcow2(), "raw", "image.format_mismatch"),
    ("no disc", os.urandom(MIB), "iso", "image.format_mismatch"),
])
def test_a_hostile_image_is_refused_and_gone(mock_server, name, image, format, code):
    before = mock_server.call("GET", "/r").expect(200).json["resources"]
    location = mock_server.create_upload(len(image), f"hostile {name}", format=format).expect(201).headers["location"]
    refusal = mock_server.append_upload(location, 0, image)
    assert refusal.expect(422).json["code"] == code
    assert tus(mock_server, "HEAD", location).status == 404
    assert mock_server.call("GET", "/r").expect(200).json["resources"] == before


def test_uploads_that_were_begun_outlive_the_server(own_server):
    server = own_server(hypervisor="test:///default")
    image = os.urandom(MIB)
    location = server.create_upload(MIB, "begun").expect(201).headers["location"]
    server.append_upload(location, 0, image[:1000]).expect(204)
    server.kill()
    server.start()
    assert offset_of(server, location) == 1000
    assert server.append_upload(location, 1000, image[1000:]).expect(204).headers["velocity-resource"]
