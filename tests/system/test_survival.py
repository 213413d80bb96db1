"""What must outlive a server, and what a server must survive."""

import os
import shlex
import shutil
import signal
import subprocess
import time

import pytest

import velocity
from velocity import eventually


@pytest.fixture
def server(own_server):
    return own_server("--accel", "tcg")


def started(server, guest="tiny", **more):
    stid = server.upload(velocity.guest(guest), "disk")
    vmid = server.machine("survivor", server.catalog("guests"), [stid], **more)
    server.change(vmid, "RUNNING").expect(200)
    server.await_text(vmid)
    return vmid


def settles(server, vmid, state):
    """The machine shows this state within three seconds of readiness, and keeps it."""
    server.await_state(vmid, state, 3)
    time.sleep(1)
    assert server.state(vmid) == state


def test_a_guest_outlives_kill_9_of_the_server_and_is_adopted(server):
    vmid = started(server)
    pid = server.guest_pid(vmid)
    server.kill()
    assert server.guest_pid(vmid) == pid
    server.start()
    assert server.state(vmid) == "RUNNING", "the first answer is right already"
    settles(server, vmid, "RUNNING")
    assert server.guest_pid(vmid) == pid
    assert "VELOCITY-GUEST-READY" in server.console(vmid)
    assert server.change(vmid, "PAUSED").expect(200).json["state"] == "PAUSED"
    assert server.change(vmid, "RUNNING").expect(200).json["state"] == "RUNNING"
    assert server.change(vmid, "STOPPED", wait=30).expect(200).json["state"] == "STOPPED"


def test_a_guest_outlives_an_orderly_end_of_the_server(server):
    vmid = started(server)
    pid = server.guest_pid(vmid)
    assert server.stop() == 0
    assert server.guest_pid(vmid) == pid
    server.start()
    settles(server, vmid, "RUNNING")


def test_a_guest_that_died_while_no_server_ran_is_stopped_after_the_next_start(server):
    vmid = started(server)
    pid = server.guest_pid(vmid)
    server.kill()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not server.guest_pids(vmid), what="the end of the guest")
    server.start()
    settles(server, vmid, "STOPPED")
    server.change(vmid, "RUNNING").expect(200)


def test_a_guest_paused_before_kill_9_is_paused_after_it(server):
    vmid = started(server)
    server.change(vmid, "PAUSED").expect(200)
    server.kill()
    server.start()
    settles(server, vmid, "PAUSED")
    server.change(vmid, "STOPPED", force=True).expect(200)


def test_a_machine_with_autostart_starts_with_the_server(server):
    stid = server.upload(velocity.guest("tiny"), "disk")
    catalog = server.catalog("guests")
    vmid = server.machine("early bird", catalog, [stid], autostart=True)
    other = server.machine("sleeper", catalog)
    assert server.state(vmid) == "STOPPED"
    server.restart()
    server.await_state(vmid, "RUNNING", 20)
    assert server.state(other) == "STOPPED"


def test_authkeys_and_all_that_was_acknowledged_outlive_kill_9(server):
    key = server.root_key()
    catalog, disk = server.catalog("kept"), server.disk("kept")
    vmid = server.machine("kept", catalog, [disk])
    server.kill()
    server.start()
    assert server.call("GET", "/c", key=key, cid=catalog).expect(200).json["label"] == "kept"
    assert server.call("GET", "/r", key=key, rid=disk).expect(200).json["machines"] == [vmid]
    assert server.state(vmid, key) == "STOPPED"


def test_a_second_server_on_the_same_state_is_refused(server):
    second = velocity.Server(state=server.state_directory)
    try:
        process = second.spawn()
        assert process.wait(30) != 0
        assert str(server.state_directory) in second.log, second.log
        assert not second.reports()
    finally:
        second.close(check=False)
    assert server.call("GET", "/c").status == 200


def test_roots_first_password_is_in_no_log_but_in_a_file_for_the_servers_user(own_server):
    server = own_server(hypervisor="test:///default", root_password=None)
    file = server.state_directory / "root-password"
    assert file.stat().st_mode & 0o777 == 0o600
    password = file.read_text().strip()
    logged = server.log + "".join(log.read_text() for log in (server.state_directory / "log").glob("*.log"))
    assert str(file) in server.log and password not in logged
    server.call("POST", "/u/auth", key=None, username="root", password=password).expect(200)
    file.unlink()
    server.restart()
    assert not file.exists() and server.log.count(str(file)) == 1


def test_a_guest_whose_plugin_is_gone_runs_on_is_stopped_and_is_not_started_again(server):
    vmid = started(server, autostart=True)
    pid = server.guest_pid(vmid)
    server.stop()
    plugins = server.home / "plugins"
    plugins.mkdir(mode=0o755)
    for file in (velocity.BUILD / "plugins").rglob("*.so"):
        if file.name != "efi.so":
            shutil.copy(file, plugins)
    server.options += ["--plugins", str(plugins)]
    server.start()
    settles(server, vmid, "RUNNING")
    shown = server.call("GET", "/v", vmid=vmid).expect(200).json
    assert server.guest_pid(vmid) == pid and shown["available"] is False and "efi" in shown["why_not"]
    server.change(vmid, "STOPPED", force=True).expect(200)
    assert server.change(vmid, "RUNNING").expect(409).json["code"] == "type.unavailable"
    assert server.guest_pids() == []
    server.restart()
    eventually(lambda: "autostart was given up" in server.call("GET", "/v", vmid=vmid).expect(200).json.get("cause", ""), 30, what="autostart's word")
    assert server.state(vmid) == "STOPPED" and server.guest_pids() == []
    server.call("DELETE", "/v", vmid=vmid).expect(200)


def test_the_server_says_that_guests_are_emulated_why_and_where_help_is(own_server):
    server = own_server("--accel", "tcg")
    said = "Guests are emulated, which is slow: KVM is switched off by a setting"
    velocity.eventually(lambda: said in server.log, 60, what="a word about emulation on the terminal")
    lines = [line for line in (server.state_directory / "log" / "velocityd.log").read_text().splitlines() if said in line]
    assert len(lines) == 1 and " warning " in lines[0]
    page = velocity.SOURCE / "docs/administrators.md"
    assert str(page.relative_to(velocity.SOURCE)) in lines[0] and "## The hypervisor" in page.read_text()


class Small(velocity.Server):
    """A server whose state directory is a file system of 160 MiB, seen by the server alone."""

    def command(self):
        self.state_directory.mkdir(exist_ok=True)
        state = shlex.quote(str(self.state_directory))
        script = f"mount -t tmpfs -o size=160m,mode=700 velocity {state} && exec {shlex.join(super().command())}"
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        return ["unshare", *user, "--mount", "sh", "-c", script]

    def free(self) -> int:
        about = os.statvfs(f"/proc/{self.pid}/root{self.state_directory}")
        return about.f_bavail * about.f_frsize


@pytest.mark.covers("POST /r/upload 507", "PATCH /r/upload/<id> 507", "PUT /r/<type> 507")
def test_a_full_disk_refuses_an_upload_and_the_server_lives_on():
    with Small(hypervisor="test:///default") as server:
        before = server.free()
        refusal = server.create_upload(200 << 20, "too large")
        assert refusal.status == 507 and refusal.json["code"] == "storage.full"

        # It fits when it is announced, and no longer when it comes.
        location = server.create_upload(20 << 20, "squeezed out").expect(201).headers["location"]
        hog = f"/proc/{server.pid}/root{server.state_directory}/hog"
        with open(hog, "wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError:
                pass
        refusal = server.append_upload(location, 0, os.urandom(20 << 20))
        assert refusal.status == 507 and refusal.json["code"] == "storage.full"
        assert server.call("PUT", "/r/disk-image", group=0, label="no room for a disk", size_mb=1).expect(507).json["code"] == "storage.full"
        refused = server.call("PUT", "/c", group=0, label="no room for a row")
        assert refused.status in (200, 507), refused.text
        for path in ("/c", "/r", "/v"):
            server.call("GET", path).expect(200)
        assert server.call("GET", "/r").json["resources"] == []

        os.unlink(hog)
        offset = int(server.request("HEAD", location.removeprefix(server.url), headers=server._tus("", {})).expect(200).headers["upload-offset"])
        assert server.append_upload(location, offset, os.urandom((20 << 20) - offset)).status == 204
        server.catalog("room again")
        stid = server.call("GET", "/r").json["resources"][0]["rid"]
        server.call("DELETE", "/r", rid=stid).expect(200)
        assert server.free() > before - (4 << 20)
