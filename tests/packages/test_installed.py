"""The packages on a machine of their own: installed with chosen plugins, started by systemd and without it, upgraded, and plugins removed."""

import json
import os
import re
import subprocess
import tempfile

import pytest

import clean_root
import velocity
from packages import all_packages, remade
from readme import session

CHOSEN = ["velocity", "velocity-plugin-disk-image", "velocity-plugin-efi"]
CONFIGURATION = "/etc/velocity/velocityd.toml"


class InstalledServer(velocity.Server):
    """The server as its package has set it up. Its life is not this object's."""

    def __init__(self, root_password: str):
        self.url = "http://127.0.0.1:4567"
        self.root_password = root_password
        self.process, self._keys, self._connection = None, {}, None


@pytest.fixture(scope="module")
def bare_debian(tmp_path_factory):
    """A Debian that has nothing but what apt says the packages need, and what the guide says that an author has: a bare Debian brings nothing that a package only
    recommends. Comes from Debian's servers, so it takes its time."""
    if not velocity.LONG:
        pytest.skip("installs a Debian")
    if why := clean_root.why_impossible():
        pytest.skip(why)
    debian = tmp_path_factory.mktemp("debian")
    into = [f'--customize-hook=copy-in {all_packages()[name]} /tmp' for name in [*CHOSEN, "velocity-dev"]]
    subprocess.run(["mmdebstrap", "--variant=apt", "--include=systemd,procps", "--skip=cleanup/tmp", *into,
                    '--customize-hook=chroot "$1" sh -c "apt-get install -y --no-install-recommends /tmp/velocity_*.deb /tmp/velocity-plugin-*.deb"',
                    '--customize-hook=chroot "$1" sh -c "apt-get install -y /tmp/velocity-dev_*.deb cmake g++ ninja-build"', "bookworm", debian],
                   check=True, capture_output=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    return debian


@pytest.fixture
def root():
    if why := clean_root.why_impossible():
        pytest.skip(why)
    all_packages()  # built on the host's network
    with clean_root.CleanRoot() as made:
        made.run("sh", "-c", "dpkg --purge $(dpkg-query -W -f '${Package} ' 'velocity*') 2>/dev/null; rm -rf /etc/velocity /var/lib/velocity", check=False)
        with made.network():
            yield made


def install(root, *files):
    for file in files:
        root.put(file, f"/tmp/{file.name}")
    return root.run("dpkg", "--force-confdef", "--force-confold", "-i", *(f"/tmp/{file.name}" for file in files))


def installed(root) -> InstalledServer:
    """The chosen packages, and their server started. Its password is that of its first start."""
    install(root, *(all_packages()[name] for name in CHOSEN))
    assert root.run("systemctl", "is-active", "velocity", check=False).stdout.strip() == "inactive", "a first installation starts nothing"
    assert root.run("systemctl", "is-enabled", "velocity").stdout.strip() == "enabled"
    return started(root)


def started(root) -> InstalledServer:
    done = root.run("systemctl", "start", "velocity", check=False)
    told = root.run("journalctl", "--no-pager", "-u", "velocity").stdout
    assert done.returncode == 0, told
    file = re.search(r"Its password is in (\S+),", told)[1]
    password = root.run("cat", file).stdout.strip()
    assert password and password not in told
    return InstalledServer(password)


def running_guest(server, root) -> tuple[str, str]:
    """A machine that runs, and its process."""
    vmid = server.machine("kept", server.catalog("kept"), [server.upload(velocity.guest("tiny"), "kept")])
    server.change(vmid, "RUNNING").expect(200)
    server.await_text(vmid)
    return vmid, process_of(root, vmid)


def process_of(root, vmid) -> str:
    return root.run("pgrep", "-f", f"qemu-system.*{vmid}").stdout.strip()


def types(server) -> set[str]:
    listed = [*server.call("GET", "/v/types").expect(200).json["types"], *server.call("GET", "/r/types").expect(200).json["types"]]
    return {entry["type"] for entry in listed}


def type_the_readmes_session(server):
    typed = subprocess.run(["bash", "-eu", "-c", session()], cwd=velocity.SOURCE, capture_output=True, text=True, errors="replace", timeout=400,
                           env={name: value for name, value in os.environ.items() if name != "VELOCITY_URL"}, input=server.root_password + "\n", check=False)
    assert typed.returncode == 0 and "VELOCITY-GUEST-READY" in typed.stdout, typed.stdout + typed.stderr


def boot_a_scaffolded_type(server, root):
    """What an author does: makes a project, builds and tests it with what is installed, drops the plugin in, and boots a machine of it."""
    root.run("sh", "-ec", """
      cd /root
      velocity-plugin new vm sample
      cd sample
      cmake -G Ninja -B build
      cmake --build build
      ctest --test-dir build --output-on-failure
      cmake --install build""", timeout=400)
    root.run("systemctl", "restart", "velocity")
    server._drop_connection()
    vmid = server.machine("first", server.catalog("sample"), type="sample")
    server.change(vmid, "RUNNING").expect(200)
    server.await_text(vmid, "SeaBIOS")


def test_the_readmes_session_works_with_the_plugins_that_were_chosen(root):
    server = installed(root)
    assert types(server) == {"efi", "disk-image"}
    type_the_readmes_session(server)
    owner = root.run("stat", "-c", "%U %a", "/var/lib/velocity").stdout.split()
    assert owner == ["velocity", "700"]


def test_an_author_makes_a_type_with_the_packages_and_boots_a_machine_of_it(root):
    server = installed(root)
    install(root, all_packages()["velocity-dev"])
    boot_a_scaffolded_type(server, root)


def test_on_a_debian_with_nothing_else_both_work(bare_debian):
    with clean_root.CleanRoot(bare_debian) as root, root.network():
        server = started(root)
        assert types(server) == {"efi", "disk-image"}
        type_the_readmes_session(server)
        boot_a_scaffolded_type(server, root)


def test_a_restart_and_an_upgrade_keep_guests_data_and_what_the_administrator_chose(root, tmp_path):
    server = installed(root)
    vmid, guest = running_guest(server, root)
    root.run("systemctl", "restart", "velocity")
    server._drop_connection()
    assert process_of(root, vmid) == guest
    server.await_state(vmid, "RUNNING")

    root.run("sh", "-c", f"echo '[limits]\nuploads = 7' >> {CONFIGURATION}")
    root.run("systemctl", "disable", "velocity")

    def other_defaults(tree):
        file = tree / CONFIGURATION[1:]
        file.write_text(file.read_text() + "\n[log]\nlevel = \"debug\"\n")

    before = root.run("systemctl", "show", "-P", "MainPID", "velocity").stdout
    install(root, remade(all_packages()["velocity"], tmp_path, "99.0", other_defaults),
            *(remade(all_packages()[name], tmp_path, "99.0") for name in CHOSEN[1:]))
    server._drop_connection()
    assert root.run("systemctl", "is-active", "velocity").stdout.strip() == "active"
    assert root.run("systemctl", "show", "-P", "MainPID", "velocity").stdout != before, "the new program runs"
    kept = root.run("cat", CONFIGURATION).stdout
    assert "uploads = 7" in kept and "debug" not in kept
    assert root.run("systemctl", "is-enabled", "velocity", check=False).stdout.strip() == "disabled"
    assert process_of(root, vmid) == guest
    server.await_state(vmid, "RUNNING")
    server.change(vmid, "STOPPED", wait=30).expect(200)

    root.run("dpkg", "--purge", *CHOSEN)
    assert root.run("systemctl", "is-active", "velocity", check=False).stdout.strip() != "active"
    root.run("test", "-s", "/var/lib/velocity/velocity.db")
    root.run("test", "!", "-e", CONFIGURATION)


def test_a_plugin_that_is_removed_leaves_its_machines_listed_stoppable_and_removable(root):
    server = installed(root)
    vmid, guest = running_guest(server, root)
    root.run("dpkg", "--remove", "velocity-plugin-efi")
    server._drop_connection()
    velocity.eventually(lambda: types(server) == {"disk-image"}, 30, 0.5, "the server without the plugin")
    assert process_of(root, vmid) == guest
    listed = server.call("GET", "/v").expect(200).json
    assert vmid in json.dumps(listed)
    server.await_state(vmid, "RUNNING")
    server.change(vmid, "STOPPED", force=True).expect(200)
    server.await_state(vmid, "STOPPED")
    server.call("DELETE", "/v", vmid=vmid).expect(200)
    assert vmid not in json.dumps(server.call("GET", "/v").expect(200).json)


def test_without_systemd_the_line_of_the_manual_page_serves(root):
    install(root, *(all_packages()[name] for name in CHOSEN))
    page = root.run("zcat", "/usr/share/man/man8/velocityd.8.gz").stdout
    line = re.search(r"(?m)^runuser .*$", page)[0].replace("\\-", "-")
    with tempfile.TemporaryFile() as output:
        server = root.spawn("sh", "-c", line, output=output)
        try:
            velocity.eventually(lambda: root.run("curl", "-sf", "http://127.0.0.1:4567/readyz", check=False).returncode == 0, 60, 0.3, "the server")
            assert root.run("ps", "-o", "user=", "-C", "velocityd").stdout.strip() == "velocity"
        finally:
            root.run("pkill", "-TERM", "-x", "velocityd", check=False)
            assert server.wait(60) == 0


def test_a_plugin_is_not_installed_beside_a_server_of_another_abi(root, tmp_path):
    def newer(tree):
        control = tree / "DEBIAN/control"
        control.write_text(re.sub(r"velocity-abi-\d+ \([^)]*\)", "velocity-abi-2 (>= 2.0)", control.read_text()))

    install(root, all_packages()["velocity"])
    plugin = remade(all_packages()["velocity-plugin-efi"], tmp_path, "99.0", newer)
    root.put(plugin, "/tmp/newer.deb")
    refused = root.run("dpkg", "-i", "/tmp/newer.deb", check=False)
    assert refused.returncode != 0 and "velocity-abi-2" in refused.stdout
