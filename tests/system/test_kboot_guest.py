"""Debian's kernel and an initial RAM disk, uploaded as images and booted directly."""

import uuid

import pytest

import velocity


@pytest.fixture(scope="module")
def catalog(real_server):
    return real_server.catalog("kernels")


@pytest.fixture(scope="module")
def kernel(real_server):
    return real_server.upload(velocity.guest("linux-kernel"), "kernel")


@pytest.fixture(scope="module")
def initrd(real_server):
    return real_server.upload(velocity.guest("linux-initrd"), "initrd")


def create(server, catalog, **more):
    return server.call("PUT", "/v/kboot", name=f"kernel {uuid.uuid4()}", catalog=catalog, cpu_count=1, memory_size_mb=256, **more)


def refusal(server, catalog, **more):
    answer = create(server, catalog, **more).expect(400).json
    return {problem["path"]: problem["message"] for problem in answer["problems"]}


def test_debians_kernel_boots_and_sees_its_command_line(real_server, catalog, kernel, initrd):
    cmdline = "console=ttyS0 quiet panic=-1 velocity.test='<&\">'"
    vmid = create(real_server, catalog, kernel=kernel, initrd=initrd, cmdline=cmdline).expect(200).json["vmid"]
    shown = real_server.call("GET", "/v", vmid=vmid).expect(200).json
    assert (shown["type"], shown["kernel"], shown["initrd"], shown["cmdline"]) == ("kboot", kernel, initrd, cmdline)
    real_server.change(vmid, "RUNNING").expect(200)
    console = real_server.await_text(vmid, seconds=240)
    assert f"Command line: {cmdline}" in console.replace("\r", ""), console
    assert real_server.change(vmid, "STOPPED", wait=60).expect(200).json["state"] == "STOPPED"

    # They are in use for as long as the machine is there, and no longer.
    for rid in (kernel, initrd):
        refused = real_server.call("DELETE", "/r", rid=rid).expect(409).json
        assert refused["code"] == "resource.in_use" and refused["vmid"] == vmid
    real_server.call("DELETE", "/v", vmid=vmid).expect(200)
    assert real_server.call("GET", "/r", rid=kernel).expect(200).json["machines"] == []


def test_several_machines_boot_one_kernel(real_server, catalog, kernel):
    for _ in range(2):
        create(real_server, catalog, kernel=kernel).expect(200)


def test_an_image_of_the_wrong_kind_is_no_kernel(real_server, catalog, initrd):
    assert "must be a Linux kernel" in refusal(real_server, catalog, kernel=initrd)["/kernel"]
    disk = real_server.disk("a disk", size_mb=4)
    assert "format raw, not qcow2" in refusal(real_server, catalog, kernel=disk)["/kernel"]
    loader = real_server.upload(velocity.guest("tiny"), "a disk with a boot loader")
    assert "must be a Linux kernel" in refusal(real_server, catalog, kernel=loader)["/kernel"]


def test_a_path_is_no_kernel(real_server, catalog, kernel):
    for value in ("/boot/vmlinuz", "../../etc/passwd", "file:///etc/passwd", f"{kernel}/..", "json:{}"):
        answer = create(real_server, catalog, kernel=value).expect(400)
        assert [problem["path"] for problem in answer.json["problems"]] == ["/kernel"]
        assert str(real_server.state_directory) not in answer.text
    assert "/cmdline" in refusal(real_server, catalog, kernel=kernel, cmdline="one\ntwo")
    assert "/kernel" in refusal(real_server, catalog)


def test_a_kernel_that_is_not_there_or_not_the_callers_is_not_found(real_server, catalog, kernel):
    absent = str(uuid.uuid4())
    answer = create(real_server, catalog, kernel=absent).expect(404).json
    assert (answer["code"], answer["rid"]) == ("resource.not_found", absent)
    stranger = real_server.user("a stranger to kernels", [2])
    own = real_server.catalog("a stranger's", stranger.group)
    fields = {"name": "borrowed", "catalog": own, "cpu_count": 1, "memory_size_mb": 256, "kernel": kernel}
    assert real_server.call("PUT", "/v/kboot", fields, key=stranger.key).expect(404).json["rid"] == kernel
