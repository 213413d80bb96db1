"""plugins.d: packages and the administrator enable, disable and configure plugins, one file each; the administrator's word counts."""

import json
import pathlib
import shutil
import subprocess

import pytest

import sdk as outside
import velocity


@pytest.fixture
def place(tmp_path):
    for name in ("package", "administrator"):
        (tmp_path / name).mkdir()
    return tmp_path


def write(place: pathlib.Path, whose: str, plugin: str, text: str):
    (place / whose / f"{plugin}.toml").write_text(text)


def said_by_the_tool(*options, expect: int | None = None) -> dict:
    """What velocity-plugin list answers: 1 says that something is refused."""
    done = subprocess.run([velocity.BUILD / "bin/velocity-plugin", "list", "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode in ((0, 1) if expect is None else (expect,)), done.stderr
    return json.loads(done.stdout)["plugins"] if done.stdout else done.stderr


@pytest.fixture
def listed(own_server, place):
    """Starts a server with the directories; answers its /plugins by name, having compared it with its log and with what velocity-plugin says."""

    def start(configuration: str = "", directory: pathlib.Path = velocity.BUILD / "plugins"):
        file = place / "velocity.toml"
        file.write_text(f'[plugins]\ndirectories = ["{directory}"]\ndrop_ins = ["{place / "package"}", "{place / "administrator"}"]\n{configuration}')
        server = own_server("--config", str(file), hypervisor="test:///default")
        plugins = server.call("GET", "/plugins").expect(200).json["plugins"]
        for entry in plugins:
            line = f"Plugin {entry['status']}: {directory}/{entry['file']}: " + (f"{entry['code']}: {entry['cause']}. {entry['fix']}" if "code" in entry else entry["name"])
            assert line in server.log
        assert said_by_the_tool("--config", file) == plugins
        return {entry["name"]: entry for entry in plugins}

    return start


def test_a_package_disables_and_the_administrator_enables(listed, place):
    write(place, "package", "kboot", "enabled = false\n")
    write(place, "package", "mac", "enabled = false\n")
    write(place, "administrator", "mac", "enabled = true\n")
    write(place, "administrator", "user-nic", "enabled = false\n")
    plugins = listed()
    assert {name for name, entry in plugins.items() if entry["status"] == "disabled"} == {"kboot", "user-nic"}
    assert plugins["kboot"]["provides"] == ["vm/kboot"] and "code" not in plugins["kboot"]


def test_settings_are_merged_key_by_key_and_the_configuration_file_is_last(listed, place):
    write(place, "package", "efi", '[settings]\nfirmware_code = "not absolute"\nswtpm = "/usr/bin/swtpm"\n')
    assert "firmware_code" in listed()["efi"]["cause"]
    write(place, "administrator", "efi", '[settings]\nfirmware_code = "/usr/share/OVMF/OVMF_CODE_4M.fd"\n')
    assert listed()["efi"]["status"] == "loaded"
    refused = listed('[plugins.configuration.efi]\nswtpm = "neither absolute"\n')["efi"]
    assert refused["code"] == "plugin.settings_invalid" and "swtpm" in refused["cause"]


def test_settings_are_held_to_the_plugins_own_schema(listed, place):
    write(place, "administrator", "efi", "[settings]\nfirmware_code = 7\nfirmware_colour = 'blue'\n")
    refused = listed()["efi"]
    assert (refused["status"], refused["code"]) == ("refused", "plugin.settings_invalid")
    assert "/firmware_code must be a text" in refused["cause"] and "/firmware_colour is not a field" in refused["cause"]
    assert "settings:" in outside.run(velocity.BUILD / "bin/velocity-plugin", "inspect", velocity.BUILD / "plugins/efi.so")


@pytest.mark.parametrize("text, why", [("enabled = 'no'\n", "enabled"), ("enabled = \n", "line 1"), ("color = 1\n", "color"), ("settings = 1\n", "settings")])
def test_a_file_that_is_not_understood_refuses_its_plugin_and_no_other(listed, place, text, why):
    write(place, "administrator", "kboot", text)
    plugins = listed()
    assert plugins["kboot"]["code"] == "plugin.settings_invalid" and why in plugins["kboot"]["cause"] and "kboot.toml" in plugins["kboot"]["cause"]
    assert {entry["status"] for name, entry in plugins.items() if name != "kboot"} == {"loaded"}


def test_a_file_that_others_may_write_is_not_believed(listed, place):
    write(place, "administrator", "kboot", "enabled = true\n")
    (place / "administrator/kboot.toml").chmod(0o666)
    assert listed()["kboot"]["code"] == "plugin.settings_invalid"


def test_the_configuration_file_says_where_plugins_are_and_which_are_off(listed, place):
    (place / "plugins").mkdir(mode=0o755)
    for name in ("efi", "kboot", "disk-image"):
        shutil.copy2(velocity.BUILD / f"plugins/{name}.so", place / "plugins")
    write(place, "administrator", "kboot", "enabled = true\n")
    plugins = listed('disabled = ["kboot"]\n[plugins.configuration.efi]\nswtpm = "not absolute"\n', place / "plugins")
    assert {name: entry["status"] for name, entry in plugins.items()} == {"disk-image": "loaded", "efi": "refused", "kboot": "disabled"}
    # What is given on the command line counts before the file, as with velocityd.
    elsewhere = said_by_the_tool("--config", place / "velocity.toml", "--plugins", velocity.BUILD / "plugins")
    assert len(elsewhere) > 3 and {entry["name"]: entry["status"] for entry in elsewhere}["kboot"] == "disabled"


def test_a_configuration_that_the_server_would_not_take_is_refused_in_its_words(place):
    file = place / "velocity.toml"
    file.write_text("[plugins]\ndisable = []\n")
    server = subprocess.run([velocity.BUILD / "server/daemon/velocityd", "--config", file, "--print-config"], stderr=subprocess.PIPE, text=True, check=False)
    assert server.returncode == 2 and "did you mean plugins.disabled" in server.stderr
    assert said_by_the_tool("--config", file, expect=2) == server.stderr.replace("velocityd: ", "velocity-plugin: ", 1)
