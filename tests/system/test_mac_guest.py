"""A Mac with a made-up controller key: firmware runs the uploaded boot loader, the controller is there, and the key is nowhere else."""

import os
import pathlib
import re

import libvirtd
import pytest

import velocity

KEY = "this is no key of any controller" "it only has the length of one..."
assert len(KEY) == 64


def sum_of(text: str) -> int:
    """FNV-1a, as the guest says it."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


class Listener(velocity.Server):
    """Keeps every answer."""

    def __init__(self, *options, **more):
        super().__init__(*options, **more)
        self.answers = []

    def request(self, *arguments, **more):
        answer = super().request(*arguments, **more)
        self.answers.append(answer.body + repr(answer.headers).encode())
        return answer


@pytest.fixture
def mac_server(tmp_path):
    key = tmp_path / "smc.key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)
    config = tmp_path / "velocity.toml"
    config.write_text(f'[plugins.configuration.mac]\nsmc_key_file = "{key}"\n')
    with libvirtd.real_server("--config", str(config), kind=Listener) as server:
        yield server


def files_with(directory: pathlib.Path, text: bytes) -> list[str]:
    return [str(file.relative_to(directory)) for file in sorted(directory.rglob("*")) if file.is_file() and text in file.read_bytes()]


def processes_with(text: bytes) -> list[str]:
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                if text in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
            except OSError:
                pass
    return found


def test_the_firmware_runs_the_boot_loader_beside_apples_controller_and_the_key_stays_hidden(mac_server):
    server = mac_server
    loader = server.upload(velocity.guest("tiny"), "boot loader")
    disk = server.disk("system", size_mb=16)
    vmid = server.machine("mac", server.catalog("macs"), [{"stid": disk, "bus": "sata", "boot": 1}], type="mac", bootloader=loader, memory_size_mb=512,
                          displays=[{"description": "screen", "width": 1280, "height": 800}])
    assert server.call("GET", "/v", vmid=vmid).expect(200).json["model"] == "iMacPro1,1"
    server.change(vmid, "RUNNING").expect(200)
    console = server.await_text(vmid, seconds=240)
    assert re.search(r"APP0001 with a key whose sum is (\d+)", console)[1] == str(sum_of(KEY))

    for path in ("/v/types", "/v", "/plugins", "/version"):
        server.call("GET", path).expect(200)
    assert processes_with(KEY.encode()) == []
    server.change(vmid, "STOPPED", force=True).expect(200)
    assert files_with(server.state_directory, KEY.encode()) == [f"machines/{vmid}/smc.cfg"]
    assert (server.state_directory / f"machines/{vmid}/smc.cfg").stat().st_mode & 0o777 == 0o600
    assert KEY not in server.log
    if libvirtd.chosen():
        assert files_with(server.libvirtd.home, KEY.encode()) == []
    server.call("DELETE", "/v", vmid=vmid).expect(200)
    assert files_with(server.state_directory, KEY.encode()) == []
    assert len(server.answers) > 10 and not any(KEY.encode() in answer for answer in server.answers)


def test_without_a_key_the_type_says_why_it_is_not_available(real_server):
    types = {entry["type"]: entry for entry in real_server.call("GET", "/v/types").expect(200).json["types"]}
    assert types["mac"]["available"] is False and "smc_key_file" in types["mac"]["why_not"]
    loader = real_server.upload(velocity.guest("tiny"), "boot loader")
    answer = real_server.call("PUT", "/v/mac", name="mac", catalog=real_server.catalog("macs"), cpu_count=1, memory_size_mb=512, bootloader=loader)
    assert answer.expect(409).json["code"] == "type.unavailable"
