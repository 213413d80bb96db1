"""The examples, built with the installed SDK alone and dropped in: their types are everywhere where types are, with no change of the server."""

import pytest

import sdk as outside
import velocity


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    return outside.Sdk(tmp_path_factory.mktemp("sdk"))


@pytest.fixture(scope="module")
def built(sdk):
    return {name: sdk.build(velocity.SOURCE / "examples" / name, name) for name in ("microkernel", "scratch_disk")}


@pytest.fixture(scope="module")
def kernel_file(sdk, built):
    return sdk.work / "microkernel/build/hello.elf"


@pytest.fixture(scope="module")
def server(sdk, built):
    directories = [velocity.BUILD / "plugins", *{plugin.parent for plugin in built.values()}]
    with velocity.Server("--accel", "tcg", *[part for directory in directories for part in ("--plugins", str(directory))]) as server:
        yield server


@pytest.fixture(scope="module")
def kernel(server, kernel_file):
    return server.upload(kernel_file, "hello")


def test_their_own_tests_pass(sdk, built):
    for name in built:
        sdk.run("ctest", "--test-dir", sdk.work / name / "build", "--output-on-failure")
        assert (velocity.SOURCE / "examples" / name / "README.md").read_text().startswith("# ")


def test_they_know_nothing_of_the_tree(sdk, built):
    for name in built:
        used = (sdk.work / name / "build/build.ninja").read_text()
        assert str(velocity.SOURCE) not in used.replace(str(velocity.BUILD), "")


def test_they_are_listed_as_types(server, built):
    machines = {entry["type"]: entry for entry in server.call("GET", "/v/types").expect(200).json["types"]}
    resources = {entry["type"]: entry for entry in server.call("GET", "/r/types").expect(200).json["types"]}
    assert machines["microkernel"]["available"] and "kernel" in machines["microkernel"]["schema"]["properties"]
    assert resources["scratch-disk"]["available"] and resources["scratch-disk"]["schema"]["required"] == ["size_mb"]
    plugins = {entry["name"]: entry["status"] for entry in server.call("GET", "/plugins").expect(200).json["plugins"]}
    assert plugins["microkernel"] == plugins["scratch-disk"] == "loaded"
    assert {"name": "scratch-disk", "version": "1.0.0"} in server.call("GET", "/version").json["plugins"]


def test_a_machine_of_the_outside_type_boots_with_the_outside_disk(server, kernel):
    catalog = server.catalog("outside")
    disk = server.call("PUT", "/r/scratch-disk", group=0, label="scratch", size_mb=8).expect(200).json["stid"]
    vmid = server.machine("outside", catalog, [disk], type="microkernel", kernel=kernel, arguments="<&'\"> tea")
    shown = server.call("GET", "/v", vmid=vmid).expect(200).json
    assert (shown["type"], shown["kernel"], shown["arguments"], shown["plugin"]) == ("microkernel", kernel, "<&'\"> tea", "microkernel")
    server.change(vmid, "RUNNING").expect(200)
    assert "HELLO FROM A MICROKERNEL: <&'\"> tea" in server.await_text(vmid, "HELLO FROM A MICROKERNEL", seconds=120)
    assert str(disk) in " ".join(open(f"/proc/{server.guest_pid(vmid)}/cmdline").read().split("\0"))
    for rid in (kernel, disk):
        assert server.call("DELETE", "/r", rid=rid).expect(409).json["code"] == "resource.in_use"
    assert server.change(vmid, "STOPPED", wait=60).expect(200).json["state"] == "STOPPED"
    server.call("DELETE", "/v", vmid=vmid).expect(200)
    server.call("DELETE", "/r", rid=disk).expect(200)


def test_errors_are_told_by_their_place(server, kernel):
    catalog = server.catalog("errors")

    def problems(path, **fields):
        answer = server.call("PUT", path, fields).expect(400).json
        return {problem["path"]: problem["message"] for problem in answer["problems"]}

    machine = dict(name="x", catalog=catalog, cpu_count=1, memory_size_mb=64)
    assert "/kernel" in problems("/v/microkernel", **machine)
    disk = server.disk("no kernel", size_mb=1, format="raw")
    assert problems("/v/microkernel", **machine, kernel=disk) == {"/kernel": "must be a Multiboot kernel"}
    assert problems("/v/microkernel", **machine, kernel=kernel, arguments="a\nb") == {"/arguments": "must have no control characters"}
    assert "from 1 to 65536" in problems("/r/scratch-disk", group=0, label="x", size_mb=0)["/size_mb"]
    assert "/colour" in problems("/r/scratch-disk", group=0, label="x", size_mb=1, colour="blue")


def test_rights_are_the_servers(server, kernel):
    stranger = server.user("stranger", [2])
    own = server.catalog("a stranger's", stranger.group)
    fields = dict(name="borrowed", catalog=own, cpu_count=1, memory_size_mb=64, kernel=kernel)
    # Root's kernel is none that the stranger may use, and root's disk none that it sees.
    assert server.call("PUT", "/v/microkernel", fields, key=stranger.key).expect(403, 404).json["code"] in ("resource.not_found", "permission.denied", "access.denied")
    assert server.call("PUT", "/r/scratch-disk", key=stranger.key, group=0, label="x", size_mb=1).expect(404).json["code"] == "group.not_found"
    disk = server.call("PUT", "/r/scratch-disk", group=0, label="root's", size_mb=1).expect(200).json["stid"]
    assert server.call("GET", "/r", key=stranger.key, rid=disk).expect(403, 404).status


def test_what_they_cost_counts_against_the_quota(server):
    person = server.user("saver", [3])
    server.call("POST", "/u/group/quota", gid=person.group, storage_mb=10).expect(200)
    server.call("PUT", "/r/scratch-disk", key=person.key, group=person.group, label="one", size_mb=8).expect(200)
    refused = server.call("PUT", "/r/scratch-disk", key=person.key, group=person.group, label="two", size_mb=8).expect(406).json
    assert (refused["code"], refused["quota"]) == ("quota.exceeded", "storage_mb")


def test_without_its_plugin_a_machine_is_listed_and_can_be_removed(own_server, built, kernel_file, sdk):
    plugins = sdk.work / "removed"
    plugins.mkdir()
    for plugin in (built["microkernel"], velocity.BUILD / "plugins/disk-image.so"):
        outside.shutil.copy2(plugin, plugins)
    server = own_server("--plugins", str(plugins), hypervisor="test:///default")
    kernel = server.upload(kernel_file, "kernel")
    vmid = server.machine("left behind", server.catalog("c"), type="microkernel", kernel=kernel)
    (plugins / "microkernel.so").unlink()
    server.restart()
    shown = server.call("GET", "/v", vmid=vmid).expect(200).json
    assert shown["available"] is False and shown["why_not"]
    assert server.change(vmid, "RUNNING").expect(409, 503).json["code"] == "type.unavailable"
    server.call("DELETE", "/v", vmid=vmid).expect(200)
