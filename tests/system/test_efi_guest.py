"""A real EFI guest, uploaded and run over HTTP on the embedded hypervisor, through every state and every transition."""

import os
import signal
import threading
import time

import pytest

import velocity
from velocity import eventually


@pytest.fixture(scope="module")
def catalog(real_server):
    return real_server.catalog("guests")


@pytest.fixture
def make(real_server, catalog, request):
    """Makes a machine from one of the guests of tests/support/guests, and removes it after the test."""
    made = []

    def make(guest="tiny", **more):
        name = f"{request.node.name} {len(made)}"[:64]
        stid = real_server.upload(velocity.guest(guest), name)
        made.append((real_server.machine(name, catalog, [stid], **more), stid))
        return made[-1][0]

    yield make
    for vmid, stid in made:
        real_server.call("DELETE", "/v", vmid=vmid).expect(200, 404)
        real_server.call("DELETE", "/r", rid=stid).expect(200, 404)


def run(server, vmid):
    """Starts it and waits until it says once more that it is ready: the log is kept over restarts."""
    boots = server.console(vmid).count("VELOCITY-GUEST-READY")
    server.change(vmid, "RUNNING").expect(200)
    eventually(lambda: server.console(vmid).count("VELOCITY-GUEST-READY") > boots, 120, 0.2, "the guest's word that it is ready")
    return vmid


class Observer:
    """Asks for a machine's state as quickly as it can, and keeps each new answer."""

    def __init__(self, server, vmid):
        self.seen = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(server.url, server.root_key(), vmid))

    def _watch(self, url, key, vmid):
        server = velocity.Server.__new__(velocity.Server)  # a client of its own: a connection serves one thread
        server.url, server._connection = url, None
        stopping = False
        while not stopping:
            stopping = self._stop.is_set()  # and once more, for what was true at the end
            state = server.state(vmid, key)
            if not self.seen or self.seen[-1] != state:
                self.seen.append(state)

    def __enter__(self):
        self._thread.start()
        eventually(lambda: self.seen, what="the first observation")
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def test_a_guest_goes_through_every_state_and_transition(real_server, make):
    vmid = make(displays=[{"description": "screen", "width": 1280, "height": 800}])
    assert real_server.state(vmid) == "STOPPED"

    def change(state, **more):
        return real_server.change(vmid, state, **more)

    assert change("STOPPED").status == 208
    assert change("PAUSED").expect(403).json["cur_state"] == "STOPPED"

    with Observer(real_server, vmid) as observer:
        assert change("RUNNING").expect(200).json == {"vmid": vmid, "state": "RUNNING"}
    assert observer.seen == ["STOPPED", "STARTING", "RUNNING"]
    assert change("RUNNING").status == 208
    real_server.await_text(vmid)

    with Observer(real_server, vmid) as observer:
        assert change("PAUSED").expect(200).json["state"] == "PAUSED"
    assert observer.seen in (["RUNNING", "PAUSED"], ["RUNNING", "PAUSING", "PAUSED"])
    assert change("PAUSED").status == 208
    refusal = change("STOPPED").expect(403).json
    assert (refusal["req_state"], refusal["cur_state"]) == ("STOPPED", "PAUSED")

    with Observer(real_server, vmid) as observer:
        assert change("RUNNING").expect(200).json["state"] == "RUNNING"
    assert observer.seen in (["PAUSED", "RUNNING"], ["PAUSED", "RESUMING", "RUNNING"])

    with Observer(real_server, vmid) as observer:
        assert change("STOPPED").expect(200).json["state"] == "STOPPING"
        real_server.await_state(vmid, "STOPPED")
        eventually(lambda: observer.seen[-1] == "STOPPED")
    assert observer.seen == ["RUNNING", "STOPPING", "STOPPED"]
    assert "guest: powering off" in real_server.console(vmid)
    assert real_server.guest_pids(vmid) == []

    run(real_server, vmid)
    assert change("PAUSED").expect(200).json["state"] == "PAUSED"
    assert change("STOPPED", force=True).expect(200).json["state"] == "STOPPED"
    run(real_server, vmid)
    assert change("STOPPED", force=True).expect(200).json["state"] == "STOPPED"
    assert real_server.guest_pids(vmid) == []
    assert real_server.console(vmid).count("VELOCITY-GUEST-READY") == 3


def test_a_graceful_stop_can_be_waited_for(real_server, make):
    vmid = run(real_server, make())
    answer = real_server.change(vmid, "STOPPED", wait=60).expect(200)
    assert answer.json["state"] == "STOPPED"
    assert real_server.call("GET", "/v/state", vmid=vmid).json["cause"] == "shutdown"


def test_a_guest_that_ignores_the_power_button_stays_stopping_until_forced(real_server, make):
    vmid = run(real_server, make("tiny-deaf"))
    assert real_server.change(vmid, "STOPPED", wait=2).expect(200).json["state"] == "STOPPING"
    refusal = real_server.change(vmid, "PAUSED").expect(403).json
    assert refusal["cur_state"] == "STOPPING"
    assert real_server.change(vmid, "STOPPED", force=True).expect(200).json["state"] == "STOPPED"


def test_a_guest_that_switches_itself_off_is_seen_to(real_server, make):
    vmid = run(real_server, make("tiny-brief"))
    real_server.await_state(vmid, "STOPPED", 30)
    assert real_server.call("GET", "/v/state", vmid=vmid).json["cause"] == "shutdown"


def test_a_guest_that_crashes_starts_over(real_server, make):
    vmid = run(real_server, make("tiny-crash"))
    eventually(lambda: real_server.console(vmid).count("VELOCITY-GUEST-READY") >= 2, 60, 0.2, "the second boot")
    assert real_server.state(vmid) == "RUNNING"


def test_the_death_of_a_guests_process_is_seen_within_two_seconds(real_server, make):
    vmid = run(real_server, make())
    pid = real_server.guest_pid(vmid)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    real_server.await_state(vmid, "STOPPED", 10)
    assert time.monotonic() - killed < 2
    assert real_server.call("GET", "/v/state", vmid=vmid).json["cause"] == "crashed"
    assert run(real_server, vmid)


def test_the_serial_log_is_text_and_has_a_tail(real_server, make):
    vmid = run(real_server, make())
    answer = real_server.call("GET", "/v/log", vmid=vmid).expect(200)
    assert answer.headers["content-type"].startswith("text/plain")
    assert real_server.console(vmid, tail=10) == answer.text[-10:]


def test_the_serial_log_of_a_guest_that_never_stops_talking_is_bounded(real_server, make):
    vmid = run(real_server, make("tiny-chatty"))
    log = eventually(lambda: len(text := real_server.console(vmid)) > 1000_000 and text, 120, 0.5, "a megabyte of talk")
    assert len(log) <= 1 << 20
    eventually(lambda: real_server.console(vmid) != log, what="more of it")
    real_server.change(vmid, "STOPPED", force=True).expect(200)
    kept = sum(file.stat().st_blocks * 512 for file in real_server.state_directory.rglob("*") if vmid in file.name and file.is_file())
    assert kept < 8 << 20


def test_a_running_machine_can_be_removed_and_leaves_its_disk(real_server, make):
    vmid = run(real_server, make())
    disks = real_server.call("GET", "/v", vmid=vmid).expect(200).json["storage_devices"]
    real_server.call("DELETE", "/v", vmid=vmid).expect(200)
    assert real_server.guest_pids(vmid) == []
    real_server.call("GET", "/v/state", vmid=vmid).expect(404)
    assert real_server.call("GET", "/r", rid=disks[0]).expect(200).json["machines"] == []
    left = [file for file in real_server.state_directory.rglob("*") if vmid in file.name]
    assert [file for file in left if "libvirt/log" not in str(file)] == []  # libvirt keeps its own log of a guest


def test_a_failure_of_the_hypervisor_is_reported_as_the_document_says(real_server, make):
    vmid = make()
    disk = real_server.call("GET", "/v", vmid=vmid).expect(200).json["storage_devices"][0]
    volume = next(file for file in (real_server.state_directory / "pools").rglob("*") if disk in file.name)
    hidden = volume.rename(volume.with_suffix(".hidden"))
    try:
        document = real_server.change(vmid, "RUNNING").expect(500).json
        assert document["vmid"] == vmid and document["state"] == "STOPPED"
        assert document["code"] == "machine.hypervisor_failed"
        assert real_server.state(vmid) == "STOPPED"
    finally:
        hidden.rename(volume)
    assert run(real_server, vmid)


def test_two_machines_do_not_share_a_disk_that_is_written(real_server, make, catalog):
    vmid = make()
    disk = real_server.call("GET", "/v", vmid=vmid).expect(200).json["storage_devices"][0]
    refusal = real_server.call("PUT", "/v/efi", name="second", catalog=catalog, cpu_count=1, memory_size_mb=64, storage_devices=[disk])
    assert refusal.expect(409).json["vmid"] == vmid


def test_a_disk_may_be_attached_in_other_ways(real_server, catalog):
    stid = real_server.upload(velocity.guest("tiny"), "as a SATA disk")
    vmid = real_server.machine("sata", catalog, [{"stid": stid, "bus": "sata", "boot": 1}])
    run(real_server, vmid)
    real_server.call("DELETE", "/v", vmid=vmid).expect(200)
    real_server.call("DELETE", "/r", rid=stid).expect(200)
