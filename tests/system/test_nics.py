"""The types of NIC with real guests: what one guest sends arrives at another, at the host, and nowhere else."""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.request

import netns
import pytest

import velocity
from velocity import eventually

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="taps and network namespaces are root's")
BOOT = 240  # seconds for the small Linux, emulated, on a machine that does other things


@pytest.fixture(scope="module")
def network():
    """For root, all of this file happens in a network namespace, which has a way out as passt wants one."""
    if not ROOT:
        yield
        return
    with netns.network_namespace():
        netns.ip("link add way-out type veth peer name beyond")
        netns.ip("link set way-out up")
        netns.ip("link set beyond up")
        netns.ip("address add 10.66.0.15/24 dev way-out")
        netns.ip("route add default via 10.66.0.1")
        yield


@pytest.fixture(scope="module")
def server(network):
    with velocity.Server("--accel", "tcg") as server:
        yield server


@pytest.fixture(scope="module")
def linux(server):
    return Linux(server)


class Linux:
    """Machines that run Debian's kernel, each with a script of its own to run when it is up."""

    def __init__(self, server):
        self.server = server
        self.disk = server.upload(velocity.guest("linux"), "linux")
        self.catalog = server.catalog("networked")

    def machine(self, name: str, nics: list, script: str) -> str:
        task = self.server.upload(("#!velocity-guest\n" + script).encode().ljust(1 << 20, b"\0"), f"what {name} does")
        return self.server.machine(name, self.catalog, [{"stid": self.disk, "readonly": True}, task], memory_size_mb=256, nics=nics)

    def started(self, name: str, nics: list, script: str) -> str:
        vmid = self.machine(name, nics, script)
        self.server.change(vmid, "RUNNING").expect(200)
        return vmid

    def end(self, *vmids: str) -> None:
        for vmid in vmids:
            self.server.change(vmid, "STOPPED", force=True).expect(200, 208)
            self.server.call("DELETE", "/v", vmid=vmid).expect(200)


def make_nic(server, type: str, label: str, **fields) -> str:
    return server.call("PUT", f"/r/{type}", group=0, label=label, **fields).expect(200).json["nicid"]


def facts(server, nic: str) -> dict:
    return server.call("GET", "/r", rid=nic).expect(200).json


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(*command):
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


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


def test_for_an_ordinary_user_a_guest_gets_a_lease_and_a_forwarded_port_answers(network):
    with Ordinary("--accel", "tcg") as server:
        if ROOT:
            assert os.stat(f"/proc/{server.pid}").st_uid == 65534
        port = free_port()
        nic = make_nic(server, "user-nic", "way out", forwards=[{"host_port": port, "guest_port": 80}])
        assert facts(server, nic)["forwards"] == [{"host_port": port, "guest_port": 80, "protocol": "tcp", "host_address": "127.0.0.1"}]
        guests = Linux(server)
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


@pytest.fixture
def bridge(server):
    netns.ip("link add br0 type bridge")
    netns.ip("address add 10.78.0.1/24 dev br0")
    netns.ip("link set br0 up")
    yield found(server, "br0")
    netns.ip("link delete br0")


def found(server, interface: str) -> str:
    """The NICID of a host interface that is there, once it is."""
    def look():
        for nic in server.call("GET", "/r", type="bridged-nic").expect(200).json["resources"]:
            if nic["interface"] == interface and nic["present"]:
                return nic["nicid"]

    return eventually(look, 10, what=f"the interface {interface} in /r")


def gone(server, nic: str) -> bool:
    return eventually(lambda: not facts(server, nic)["present"], 10, what="the absence of the interface")


def packet_filter() -> str:
    return subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout


@needs_root
def test_a_guest_on_a_bridge_is_answered_and_one_that_spoofs_is_not(server, linux, bridge):
    vmid = linux.started("bridged", [bridge], (
        "ip link set eth0 up\nip address add 10.78.0.2/24 dev eth0\n"
        "until ping -c 1 -W 1 10.78.0.1; do :; done\necho PING-ANSWERED\n"
        "own=$(cat /sys/class/net/eth0/address)\n"
        "ip link set eth0 down\nip link set eth0 address 02:00:00:00:0b:ad\nip link set eth0 up\n"
        "if ping -c 3 -W 2 10.78.0.1; then echo SPOOFING-PASSED; else echo SPOOFING-STOPPED; fi\n"
        "ip link set eth0 down\nip link set eth0 address $own\nip link set eth0 up\n"
        "until ping -c 1 -W 1 10.78.0.1; do :; done\necho HONEST-AGAIN\n"))
    server.await_text(vmid, "PING-ANSWERED", BOOT)
    server.await_text(vmid, "SPOOFING-STOPPED", 60)
    server.await_text(vmid, "HONEST-AGAIN", 60)
    assert "SPOOFING-PASSED" not in server.console(vmid)
    mac = server.call("GET", "/v", vmid=vmid).expect(200).json["nics"][0]["mac_address"]
    assert f"ether saddr {mac} accept" in packet_filter()
    # A firewall that flushes everything takes the guard along; the server puts it back.
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    server.restart()
    eventually(lambda: f"ether saddr {mac} accept" in packet_filter(), 30, what="the guard after a restart")
    linux.end(vmid)


@needs_root
def test_a_guest_does_not_run_when_its_guard_cannot_be_placed(server, linux, bridge, tmp_path):
    vmid = linux.machine("unguarded", [bridge], "")
    with netns.instead_of("/usr/sbin/nft", "#!/bin/sh\nexit 1\n", tmp_path):
        assert server.change(vmid, "RUNNING").status == 500
        assert server.state(vmid) == "STOPPED" and not server.guest_pids(vmid)
        assert server.console(vmid) == ""  # not an instruction of it has run
    server.change(vmid, "RUNNING").expect(200)
    linux.end(vmid)


@needs_root
def test_interfaces_come_and_go_and_keep_their_ids_over_restarts(server):
    netns.ip("link add br7 type bridge")
    nic = found(server, "br7")
    shown = facts(server, nic)
    assert shown["group"] == 0 and shown["joint"] == "bridge" and shown["label"] == "br7"
    server.restart()
    assert found(server, "br7") == nic
    server.call("DELETE", "/r", rid=nic).expect(409)
    netns.ip("link delete br7")
    assert gone(server, nic)
    netns.ip("link add br7 type bridge")
    assert found(server, "br7") == nic
    server.stop()
    netns.ip("link delete br7")
    server.start()
    assert gone(server, nic)
    server.call("DELETE", "/r", rid=nic).expect(200)
    server.call("GET", "/r", rid=nic).expect(404)
    # The default route leads through it: the host's own way out is not offered.
    assert all(nic["interface"] != "way-out" for nic in server.call("GET", "/r", type="bridged-nic").json["resources"])


@needs_root
def test_a_machine_whose_interface_has_vanished_does_not_start_and_says_why(server):
    netns.ip("link add br8 type bridge")
    nic = found(server, "br8")
    vmid = server.machine("left behind", server.catalog("left behind"), [], nics=[nic])
    netns.ip("link delete br8")
    gone(server, nic)
    refusal = server.change(vmid, "RUNNING").expect(409).json
    assert refusal["code"] == "resource.gone" and refusal["rid"] == nic
    assert server.state(vmid) == "STOPPED"
    netns.ip("link add br8 type bridge")
    found(server, "br8")
    server.change(vmid, "RUNNING").expect(200)
    server.change(vmid, "STOPPED", force=True).expect(200)
    server.call("DELETE", "/v", vmid=vmid).expect(200)
    netns.ip("link delete br8")


@needs_root
def test_bridged_nics_are_the_hosts_until_they_are_shared(server, bridge):
    person = server.user("neighbour", [2])
    server.call("GET", "/r", key=person.key, rid=bridge).expect(404)
    refusal = server.call("PUT", "/r/bridged-nic", group=0, label="made", interface="br0", joint="bridge").expect(409).json
    assert refusal["code"] == "resource.found"
    server.call("PUT", "/v/efi", key=person.key, name="x", catalog=server.catalog("neighbours", person.group, person.key), cpu_count=1, memory_size_mb=64,
                nics=[bridge]).expect(404)


@needs_root
def test_a_guest_on_a_macvtap_follows_a_renamed_interface(network, tmp_path):
    netns.ip("link add card address 02:00:00:00:77:01 type veth peer name cable")
    netns.ip("link set card up")
    netns.ip("link set cable up")
    netns.ip("address add 10.79.0.1/24 dev cable")
    configuration = tmp_path / "velocity.toml"
    configuration.write_text('[network]\nfurther_kinds = ["veth"]\n')
    with velocity.Server("--config", str(configuration), "--accel", "tcg") as server:
        nic = found(server, "card")
        assert facts(server, nic)["joint"] == "macvtap"
        linux = Linux(server)
        vmid = linux.machine("on a card", [nic], (
            "ip link set eth0 up\nip address add 10.79.0.2/24 dev eth0\n"
            "until ping -c 1 -W 1 10.79.0.1; do :; done\necho PING-ANSWERED\n"
            "ip link set eth0 down\nip link set eth0 address 02:00:00:00:0b:ad\nip link set eth0 up\n"
            "if ping -c 3 -W 2 10.79.0.1; then echo SPOOFING-PASSED; else echo SPOOFING-STOPPED; fi\n"))
        netns.ip("link set card down")
        netns.ip("link set card name other")
        netns.ip("link set other up")
        assert found(server, "other") == nic
        server.change(vmid, "RUNNING").expect(200)
        server.await_text(vmid, "PING-ANSWERED", BOOT)
        server.await_text(vmid, "SPOOFING-STOPPED", 60)
        linux.end(vmid)
        device = "vy" + vmid.replace("-", "")[:9]
        eventually(lambda: not [name for name in os.listdir("/sys/class/net") if name.startswith(device)], 20, what="the end of the guest's device")
        eventually(lambda: device not in packet_filter(), 10, what="the end of its guard")
    netns.ip("link delete other")


@pytest.mark.parametrize("page", ["user-nic", "file-handle-nic", "bridged-nic"])
def test_the_session_of_the_page_works_as_it_stands(server, page):
    if page == "bridged-nic":
        if not ROOT:
            pytest.skip("taps are root's")
        netns.ip("link add guests type bridge")
        netns.ip("link set guests up")
        found(server, "guests")
    text = (velocity.SOURCE / f"docs/types/{page}.md").read_text()
    blocks = re.findall(r"<!-- session -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 2
    environment = {**os.environ, "V": server.url, "KEY": server.root_key(), "PORT": str(free_port())}
    done = subprocess.run(["bash", "-eux", "-c", "".join(blocks)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert '"state":"RUNNING"' in done.stdout.replace(" ", ""), done.stdout + done.stderr
    assert '"problems"' not in done.stdout and '"code"' not in done.stdout, done.stdout
    if page == "bridged-nic":
        netns.ip("link delete guests")
