"""Plugins that go wrong, as real files: the server starts, serves, and says of each what is wrong with it. velocity-plugin says the same."""

import json
import os
import pathlib
import shutil
import struct

import pytest

import sdk as outside
import velocity

BUILT = velocity.BUILD / "tests/plugin/bad/plugins"
PT_DYNAMIC, PT_GNU_STACK = 2, 0x6474E551

# What was built wrongly: file → the code of its refusal, and a word of the cause.
BUILT_WRONGLY = {
    "no-entry": ("plugin.no_entry", "does not export"),
    "throws-in-entry": ("plugin.threw", "an exception"),
    "throws-at-load": ("plugin.probe_crashed", "Aborted"),
    "crashes-at-load": ("plugin.probe_crashed", "Segmentation fault"),
    "aborts-in-load": ("plugin.probe_crashed", "Aborted"),
    "exits-in-load": ("plugin.probe_exited", "status 0"),
    "exits": ("plugin.probe_exited", "status 0"),
    "spins-in-load": ("plugin.probe_hung", "does not end"),
    "hangs": ("plugin.probe_hung", "does not end"),
    "starts-a-thread-in-load": ("plugin.starts_threads", "threads"),
    "starts-a-thread-in-entry": ("plugin.starts_threads", "threads"),
    "segfaults-in-entry": ("plugin.probe_crashed", "Segmentation fault"),
    "segfaults-in-describe": ("plugin.probe_crashed", "Segmentation fault"),
    "aborts-in-describe": ("plugin.probe_crashed", "Aborted"),
    "segfaults-in-plan": ("plugin.probe_crashed", "Segmentation fault"),
    "exits-in-plan": ("plugin.probe_exited", "status 0"),
    "answers-garbage-in-describe": ("plugin.description_invalid", ""),
    "answers-100-mb-in-describe": ("plugin.description_invalid", ""),
    "answers-nothing-in-describe": ("plugin.description_invalid", ""),
    "answers-a-list-in-describe": ("plugin.description_invalid", ""),
    "fails-in-describe": ("plugin.description_invalid", ""),
    "fails": ("plugin.entry_failed", "the moon is not full"),
    "no-tables": ("plugin.table_invalid", "table of types"),
    "no-plan": ("plugin.table_invalid", "lacks a function"),
    "wrong-example": ("plugin.description_invalid", "example"),
    "promises-another": ("plugin.manifest_mismatch", "resource/another"),
    "reserved-type": ("plugin.type_reserved", "upload"),
    "odd-type-name": ("plugin.description_invalid", ""),
    "unknown-keyword": ("plugin.description_invalid", "minimun"),
    "remote-reference": ("plugin.description_invalid", "$ref"),
    "minimal-again": ("plugin.duplicate_type", "the plugin minimal"),
}


def replaced(content: bytes, before: bytes, after: bytes) -> bytes:
    assert len(before) == len(after) and before in content
    return content.replace(before, after, 1)


def with_segment(content: bytes, wanted: int, **changes) -> bytes:
    """A copy in which the first program header of a kind has other fields."""
    changed = bytearray(content)
    (start,), (size, count) = struct.unpack_from("<Q", content, 32), struct.unpack_from("<HH", content, 54)
    for at in range(start, start + size * count, size):
        if struct.unpack_from("<I", content, at)[0] != wanted:
            continue
        if "kind" in changes:
            struct.pack_into("<I", changed, at, changes["kind"])
        if "flags" in changes:
            struct.pack_into("<I", changed, at + 4, changes["flags"])
        return bytes(changed)
    raise AssertionError("there is no such segment")


def files_of_another_kind(directory: pathlib.Path) -> dict:
    """What became wrong with a file after it was built well."""
    good = (BUILT / "minimal.so").read_bytes()

    def write(name: str, content: bytes, mode: int = 0o644):
        file = directory / f"{name}.so"
        file.write_bytes(content)
        file.chmod(mode)

    write("text", b"I am no plugin, I am a text that is as long as a header of an ELF file at least.")
    write("empty", b"")
    for size in (40, 64, 600, len(good) // 3):
        write(f"cut-at-{'a-third' if size > 600 else size}", good[:size])
    write("s390", good[:18] + struct.pack("<H", 22) + good[20:])
    write("no-note", replaced(good, b"Velocity\0", b"Velocito\0"))
    write("odd-manifest", replaced(good, b'"version":', b'"versiom":'))
    write("abi-2", replaced(good, b'"major":1', b'"major":2'))
    write("needs-minor-9", replaced(good, b'"minor":0', b'"minor":9'))
    write("stack", with_segment(good, PT_GNU_STACK, flags=7))
    write("unloadable", with_segment(good, PT_DYNAMIC, kind=0))
    write("writable", good, 0o666)
    write("a-copy", good)
    (directory / "link.so").symlink_to(BUILT / "minimal.so")
    (directory / "directory.so").mkdir()
    os.mkfifo(directory / "pipe.so")
    return {
        "text": ("plugin.not_elf", "not an ELF file"), "empty": ("plugin.truncated", ""), "cut-at-40": ("plugin.truncated", ""), "cut-at-64": ("plugin.truncated", ""),
        "cut-at-600": ("plugin.truncated", ""), "cut-at-a-third": ("plugin.truncated", ""), "s390": ("plugin.wrong_machine", "another kind of machine"),
        "no-note": ("plugin.no_manifest", "no manifest"), "odd-manifest": ("plugin.manifest_invalid", "version"), "abi-2": ("plugin.abi_major", "plugin ABI 2"),
        "needs-minor-9": ("plugin.abi_minor", "1.9"), "stack": ("plugin.executable_stack", ""), "unloadable": ("plugin.unloadable", ""),
        "writable": ("plugin.untrusted_writable", ""), "minimal": ("plugin.duplicate_name", "a-copy.so"), "link": ("plugin.symlink", ""),
        "directory": ("plugin.not_a_file", ""), "pipe": ("plugin.not_a_file", ""),
    }


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bad") / "plugins"
    directory.mkdir()
    expected = BUILT_WRONGLY | files_of_another_kind(directory)
    for name in [*BUILT_WRONGLY, "minimal"]:
        shutil.copy2(BUILT / f"{name}.so", directory)
    shutil.copy2(velocity.BUILD / "plugins/efi.so", directory)
    return directory, expected


@pytest.fixture(scope="module")
def server(directory):
    # As root the plugins' owner is root; anybody else is the server's own user. Both are trusted.
    with velocity.Server("--plugins", str(directory[0]), hypervisor="test:///default") as server:
        yield server


def test_there_are_enough_of_them(directory):
    assert len(directory[1]) >= 25


def test_each_is_refused_for_what_is_wrong_with_it(server, directory):
    listed = {entry["file"]: entry for entry in server.call("GET", "/plugins").expect(200).json["plugins"]}
    assert set(listed) == {f"{name}.so" for name in directory[1]} | {"a-copy.so", "efi.so"}
    for name, (code, word) in directory[1].items():
        entry = listed[f"{name}.so"]
        assert (entry["status"], entry.get("code")) == ("refused", code), entry
        assert word in entry["cause"] and entry["fix"] and "\n" not in entry["cause"] + entry["fix"], entry


def test_why_and_what_to_do_is_told_to_who_runs_the_server(server, directory):
    listed = {entry["name"]: entry for entry in server.call("GET", "/plugins", key=server.user("somebody").key).expect(200).json["plugins"]}
    assert set(listed["efi"]) == {"file", "name", "version", "licence", "status", "provides"} and listed["efi"]["status"] == "loaded"
    assert (listed["fails"]["status"], listed["fails"]["code"]) == ("refused", "plugin.entry_failed")
    assert not any({"cause", "fix"} & set(entry) for entry in listed.values()) and str(directory[0]) not in json.dumps(listed)


def test_the_others_are_loaded_and_the_server_serves(server):
    types = {entry["type"]: entry["available"] for entry in server.call("GET", "/v/types").expect(200).json["types"]}
    assert types["efi"] is True and types["goes-wrong"] is False
    server.call("PUT", "/v/goes-wrong", name="x", cpu_count=1, memory_size_mb=64, catalog=server.catalog("a")).expect(404, 409)
    server.machine("beside bad plugins", server.catalog("beside"), type="efi")


def test_the_log_names_each(server, directory):
    for name, (code, _) in directory[1].items():
        assert any(f"/{name}.so: {code}: " in line and "Plugin refused: " in line for line in server.log.splitlines()), name
    assert "Plugin loaded: " in server.log


def test_velocity_plugin_says_the_same(server, directory, tmp_path):
    said = json.loads(outside.run(velocity.BUILD / "bin/velocity-plugin", "list", "--json", "--plugins", directory[0], expect=1).splitlines()[-1])
    assert said["plugins"] == server.call("GET", "/plugins").expect(200).json["plugins"]
    shutil.copy2(directory[0] / "text.so", tmp_path)
    line = outside.run(velocity.BUILD / "bin/velocity-plugin", "list", "--plugins", tmp_path, expect=1)
    assert line.startswith(f"refused: {tmp_path}/text.so: plugin.not_elf: ") and line.count("\n") == 1
