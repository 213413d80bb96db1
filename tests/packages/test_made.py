"""The packages as files: which there are, what they need, what Debian's own judges say of them."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

import velocity
from packages import all_packages, field

PLUGINS = ["bridged-nic", "disk-image", "efi", "file-handle-nic", "kboot", "mac", "user-nic"]


@pytest.fixture(scope="module")
def contents(tmp_path_factory) -> dict[str, pathlib.Path]:
    """The files of each package."""
    trees = {}
    for name, file in all_packages().items():
        trees[name] = tmp_path_factory.mktemp(name)
        subprocess.run(["dpkg-deb", "-x", file, trees[name]], check=True)
    return trees


def files_of(tree: pathlib.Path) -> list[str]:
    return sorted(f"/{path.relative_to(tree)}" for path in tree.rglob("*") if not path.is_dir())


def programs(tree: pathlib.Path) -> list[pathlib.Path]:
    return [path for path in tree.rglob("*") if path.is_file() and path.open("rb").read(4) == b"\x7fELF"]


def test_there_is_a_package_for_the_server_for_authors_for_each_plugin_and_for_all():
    assert sorted(all_packages()) == sorted(["velocity", "velocity-dev", "velocity-plugins", *(f"velocity-plugin-{name}" for name in PLUGINS)])


def test_a_plugins_package_has_the_plugin_in_the_machines_own_library_directory_and_needs_the_abi_only(contents):
    machine = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()
    abi = dict(re.findall(r"#define VELOCITY_ABI_(MAJOR|MINOR) (\d+)u", (velocity.SOURCE / "sdk/include/velocity/abi.h").read_text()))
    assert field(all_packages()["velocity"], "Provides") == f"velocity-abi-{abi['MAJOR']} (= {abi['MAJOR']}.{abi['MINOR']})"
    for name in PLUGINS:
        package = f"velocity-plugin-{name}"
        files = [file for file in files_of(contents[package]) if not file.startswith("/usr/share/doc/")]
        assert files == [f"/usr/lib/{machine}/velocity/plugins/{name}.so"]
        needs = field(all_packages()[package], "Depends")
        assert f"velocity-abi-{abi['MAJOR']} (>= {abi['MAJOR']}." in needs
        assert not re.search(r"\b(velocity|libboost|libvirt|libpistache)\b(?!-abi)", needs), needs


def test_all_plugins_are_what_the_package_of_all_plugins_needs():
    assert field(all_packages()["velocity-plugins"], "Depends").split(", ") == [f"velocity-plugin-{name}" for name in PLUGINS]


def test_authors_need_neither_the_server_nor_its_libraries():
    assert field(all_packages()["velocity-dev"], "Depends") == "nlohmann-json3-dev"


def test_no_program_looks_for_libraries_in_a_place_of_its_own(contents):
    found = [file for tree in contents.values() for file in programs(tree)]
    assert len(found) == 2 + len(PLUGINS)
    for file in found:
        dynamic = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
        assert "RPATH" not in dynamic and "RUNPATH" not in dynamic, file


def test_nothing_knows_where_it_was_built(contents):
    where = os.fsencode(velocity.SOURCE)
    for tree in contents.values():
        for path in tree.rglob("*"):
            assert not path.is_file() or where not in path.read_bytes(), path


def test_all_that_is_not_a_directory_belongs_to_one_package(contents):
    files = [file for tree in contents.values() for file in files_of(tree)]
    assert len(files) == len(set(files))


def test_lintian_has_nothing_to_say(tmp_path):
    said = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", *all_packages().values()],
                          capture_output=True, text=True, check=False)
    assert said.returncode == 0 and not said.stdout.strip(), said.stdout + said.stderr


def test_the_service_is_exposed_to_little(contents):
    unit = contents["velocity"] / "usr/lib/systemd/system/velocity.service"
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25", unit], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
    assert re.search(r"Overall exposure level for velocity.service: (0|1|2)\.\d", said.stdout), said.stdout


def test_the_unit_has_nothing_that_systemd_does_not_understand(contents):
    tree = contents["velocity"]
    text = (tree / "usr/lib/systemd/system/velocity.service").read_text()
    assert f"ExecStart=/usr/sbin/velocityd --config /etc/velocity/velocityd.toml\n" in text
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={tree}", "velocity.service"],
                          capture_output=True, text=True, check=False)
    assert "Unknown" not in said.stderr and "Failed to parse" not in said.stderr, said.stderr


def test_the_configuration_that_comes_with_it_is_one_that_the_server_reads(contents):
    file = contents["velocity"] / "etc/velocity/velocityd.toml"
    server = velocity.BUILD / "server/daemon/velocityd"
    said = subprocess.run([server, "--config", file, "--print-config"], capture_output=True, text=True, check=False)
    assert said.returncode == 0 and 'directory = "/var/lib/velocity"' in said.stdout, said.stdout + said.stderr


def test_what_is_out_commented_in_it_is_right_too(contents, tmp_path):
    text = (contents["velocity"] / "etc/velocity/velocityd.toml").read_text()
    chosen = tmp_path / "all.toml"
    chosen.write_text(re.sub(r"(?m)^#(?=\[|\w+ = )", "", text))
    server = velocity.BUILD / "server/daemon/velocityd"
    said = subprocess.run([server, "--config", chosen, "--print-config"], capture_output=True, text=True, check=False)
    assert said.returncode == 0 and 'uri = "qemu:///system"' in said.stdout and 'listen = "0.0.0.0:4567"' in said.stdout, said.stdout + said.stderr


@pytest.mark.skipif(not velocity.LONG, reason="builds everything a second time")
def test_the_same_source_in_another_place_gives_the_same_bytes(tmp_path):
    source = tmp_path / "a place of another length"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=velocity.SOURCE, capture_output=True, check=True).stdout.decode().split("\0")
    for file in filter(None, listed):
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(velocity.SOURCE / file, source / file)
    when = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=velocity.SOURCE, capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([source / "script/package"], check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": when, "CCACHE_DIR": str(tmp_path / "ccache")})
    for file in all_packages().values():
        assert (source / "build/packages" / file.name).read_bytes() == file.read_bytes(), file.name
