"""NICs that need nothing of the host's network, with real guests: what one guest sends arrives at another, at the host, and nowhere else."""

import contextlib
import os
import pathlib
import socket
import threading
import time
import urllib.request

import pytest
from nic_tests import BOOT, LIBVIRTD, ROOT, Linux, facts, free_port, linux, make_nic, needs_root, network, run_page, running, server  # noqa: F401

import velocity
from velocity import eventually


class Ordinary(velocity.Server):
    """A server that an ordinary user runs, whoever runs the tests."""

    def command(self):
        if not ROOT:
            return super().command()
        os.chown(self.home, 65534, 65534)
        self.environment |= {"HOME": str(self.home), "XDG_CACHE_HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home)}
        # Bound to where he can go: the checkout may lie in a home that is closed to others.
        build = self.home / "build"
        build.mkdir(exist_ok=True)
        program, *options = super().command()
        return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', str(velocity.BUILD), str(build),
                "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
                str(build / pathlib.Path(program).relative_to(velocity.BUILD)), *options]

    def spawn(self):
        self.command()  # for the environment, which is taken before
        return super().spawn()


@pytest.fixture
def unprivileged(network, request):
    """A libvirtd's guests are the libvirtd's, whoever runs the server."""
    if LIBVIRTD:
        yield request.getfixturevalue("linux")
        return
    with Ordinary("--accel", "tcg") as server:
        if ROOT:
            assert os.stat(f"/proc/{server.pid}").st_uid == 65534
        yield Linux(server)


def test_for_an_ordinary_user_a_guest_gets_a_lease_and_a_forwarded_port_answers(unprivileged):
    guests, server = unprivileged, unprivileged.server
    port = free_port()
    nic = make_nic(server, "user-nic", "way out", forwards=[{"host_port": port, "guest_port": 80}])
    assert facts(server, nic)["forwards"] == [{"host_port": port, "guest_port": 80, "protocol": "tcp", "host_address": "127.0.0.1"}]
    vmid = guests.started("served", [nic], "udhcpc -i eth0 -f -q -n -t 10\nmkdir /www\necho 'hello from the guest' >/www/index.html\nhttpd -p 80 -h /www\n")
    server.await_text(vmid, "guest: leased 10.0.2.15", BOOT)

    def page():
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()

    assert eventually(page, 30, what="an answer of the forwarded port") == b"hello from the guest\n"

    # The port is taken now: a second machine says so, and does not start.
    second = guests.machine("second", [nic], "")
    refusal = server.change(second, "RUNNING").expect(409).json
    assert refusal["code"] == "network.port_taken" and str(port) in refusal["message"]
    assert server.state(second) == "STOPPED"
    guests.end(vmid)
    server.change(second, "RUNNING").expect(200)
    guests.end(second)


@pytest.mark.parametrize("model", ["virtio", "e1000e", "e1000", "vmxnet3", "rtl8139"])
def test_every_model_is_one_that_the_hypervisor_has(server, model):
    port = free_port()
    plain, forwarding = make_nic(server, "user-nic", f"plain {model}"), make_nic(
        server, "user-nic", f"forwarding {model}", forwards=[{"host_port": port, "guest_port": 22}])
    wire = make_nic(server, "file-handle-nic", f"wire {model}")
    catalog = server.catalog(f"models {model}")
    vmid = server.machine(model, catalog, [], nics=[{"nicid": nic, "model": model, "boot": boot} for boot, nic in enumerate((plain, forwarding, wire), 1)])
    server.change(vmid, "RUNNING").expect(200)
    server.change(vmid, "STOPPED", force=True).expect(200)
    server.call("DELETE", "/c", cid=catalog).expect(200)


def frames_for(server, *nics) -> list[str]:
    return [facts(server, nic)[end] for nic in nics for end in ("socket", "peer_socket")]


def test_two_guests_joined_by_the_example_switch_ping_each_other_and_the_switch_may_come_and_go(server, linux):
    nics = [make_nic(server, "file-handle-nic", f"port {number}") for number in (1, 2)]
    switch = [velocity.SOURCE / "examples/switch.py", *frames_for(server, *nics)]
    asking = ("ip link set eth0 up\nip address add 10.77.0.1/24 dev eth0\n"
              "until ping -c 1 -W 1 10.77.0.2; do :; done\necho PING-ANSWERED\n"
              "while ping -c 1 -W 2 10.77.0.2; do sleep 1; done\necho WIRE-CUT\n"
              "until ping -c 1 -W 1 10.77.0.2; do :; done\necho ANSWERED-AGAIN\n")
    answering = "ip link set eth0 up\nip address add 10.77.0.2/24 dev eth0\n"
    with running(*switch):
        asker, answerer = linux.started("asker", [nics[0]], asking), linux.started("answerer", [nics[1]], answering)
        server.await_text(asker, "PING-ANSWERED", 2 * BOOT)
    server.await_text(asker, "WIRE-CUT", 60)
    with running(*switch):
        server.await_text(asker, "ANSWERED-AGAIN", 60)
    a_peer_that_floods_and_never_reads_hurts_nobody(server, answerer, facts(server, nics[1]))
    linux.end(asker, answerer)
    for nic in nics:
        directory = pathlib.Path(facts(server, nic)["socket"]).parent
        server.call("DELETE", "/r", rid=nic).expect(200)
        assert not directory.exists()


def a_peer_that_floods_and_never_reads_hurts_nobody(server, vmid, wire):
    stop = threading.Event()

    def flood():
        with contextlib.suppress(FileNotFoundError):
            os.unlink(wire["peer_socket"])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.bind(wire["peer_socket"])
            peer.setblocking(False)
            frames = [b"\xff" * 6 + b"\x02\0\0\0\0\x66" + b"\x08\x06" + os.urandom(size) for size in (0, 46, 1500, 60000)]
            while not stop.is_set():
                for frame in (b"", b"x", *frames):
                    with contextlib.suppress(OSError):
                        peer.sendto(frame, wire["socket"])

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        slowest = 0.0
        for _ in range(30):
            begin = time.monotonic()
            assert server.state(vmid) == "RUNNING"
            slowest = max(slowest, time.monotonic() - begin)
            time.sleep(0.1)
        assert slowest < 2
        server.change(vmid, "PAUSED").expect(200)
        server.change(vmid, "RUNNING").expect(200)
    finally:
        stop.set()
        flooding.join()


@needs_root
def test_passt_gives_the_guest_of_a_stream_a_lease(server, linux):
    nic = make_nic(server, "file-handle-nic", "stream", mode="stream")
    wire = facts(server, nic)
    assert "peer_socket" not in wire
    with running(velocity.SOURCE / "examples/passt.py", wire["socket"], "--ipv4-only", "--dns", "none"):
        vmid = linux.started("leased", [nic], "ip link set eth0 up\nudhcpc -i eth0 -f -q -n -t 20\n")
        server.await_text(vmid, "guest: leased 10.66.0.15", BOOT)
    # The peer has gone; another may connect.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        eventually(lambda: peer.connect_ex(wire["socket"]) == 0, 10, what="a second connection")
        peer.sendall(b"\xff\xff\xff\xff" + bytes(1000))  # a length that no frame has
    assert server.state(vmid) == "RUNNING"
    linux.end(vmid)


def test_the_sockets_are_told_to_those_who_may_use_the_nic_and_reached_by_nobody_else(server):
    nic = make_nic(server, "file-handle-nic", "private")
    stranger = server.user("stranger")
    server.call("GET", "/r", key=stranger.key, rid=nic).expect(404)
    directory = pathlib.Path(facts(server, nic)["socket"]).parent
    assert directory.stat().st_mode & 0o777 == 0o700
    for listed in server.call("GET", "/r", type="file-handle-nic").expect(200).json["resources"]:
        assert "socket" not in listed


@pytest.mark.parametrize("page", ["user-nic", "file-handle-nic"])
def test_the_session_of_the_page_works_as_it_stands(server, page):
    run_page(server, page)
