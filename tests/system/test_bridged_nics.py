"""NICs on the host's own networks, with real guests: found and followed, and kept to their own address."""

import contextlib
import http.client
import os
import signal
import subprocess

import netns
import pytest
from nic_tests import BOOT, LIBVIRTD, Linux, facts, linux, needs_root, network, run_page, server  # noqa: F401

import velocity
from velocity import eventually

pytestmark = needs_root


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
    assert mac in packet_filter()
    if LIBVIRTD:  # its own filter, which it alone keeps
        linux.end(vmid)
        return
    assert f"ether saddr {mac} accept" in packet_filter()
    # A firewall that flushes everything takes the guard along; the server puts it back.
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    server.restart()
    eventually(lambda: f"ether saddr {mac} accept" in packet_filter(), 30, what="the guard after a restart")
    linux.end(vmid)


@contextlib.contextmanager
def without_guards(server, directory):
    if not LIBVIRTD:
        with netns.instead_of("/usr/sbin/nft", "#!/bin/sh\nexit 1\n", directory):
            yield
        return
    kept = directory / "filter.xml"
    kept.write_text(server.libvirtd.virsh("nwfilter-dumpxml", "no-mac-spoofing"))
    server.libvirtd.virsh("nwfilter-undefine", "no-mac-spoofing")
    yield
    server.libvirtd.virsh("nwfilter-define", kept)


def test_a_guest_does_not_run_when_its_guard_cannot_be_placed(server, linux, bridge, tmp_path):
    vmid = linux.machine("unguarded", [bridge], "")
    with without_guards(server, tmp_path):
        assert server.change(vmid, "RUNNING").status == 500
        assert server.state(vmid) == "STOPPED" and not server.guest_pids(vmid)
        assert server.console(vmid) == ""  # not an instruction of it has run
    server.change(vmid, "RUNNING").expect(200)
    linux.end(vmid)


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


def test_a_bridge_that_becomes_the_hosts_way_out_is_not_offered_any_more(server):
    netns.ip("link add br9 type bridge")
    netns.ip("address add 10.79.0.2/24 dev br9")
    netns.ip("link set br9 up")
    nic = found(server, "br9")
    netns.ip("route add default via 10.79.0.1 metric 500")
    assert gone(server, nic)
    netns.ip("route delete default via 10.79.0.1 metric 500")
    assert found(server, "br9") == nic
    netns.ip("link delete br9")
    assert gone(server, nic)


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


def test_bridged_nics_are_the_hosts_until_they_are_shared(server, bridge):
    person = server.user("neighbour", [2])
    server.call("GET", "/r", key=person.key, rid=bridge).expect(404)
    refusal = server.call("PUT", "/r/bridged-nic", group=0, label="made", interface="br0", joint="bridge").expect(409).json
    assert refusal["code"] == "resource.found"
    server.call("PUT", "/v/efi", key=person.key, name="x", catalog=server.catalog("neighbours", person.group, person.key), cpu_count=1, memory_size_mb=64,
                nics=[bridge]).expect(404)


@pytest.mark.skipif(LIBVIRTD, reason="libvirt filters taps alone: on a libvirtd only bridges are offered")
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


@pytest.mark.skipif(LIBVIRTD, reason="a libvirtd guards its guests itself")
def test_a_start_that_the_server_was_killed_in_is_finished_by_the_next_one(server, linux, bridge, tmp_path):
    vmid = linux.machine("cut short", [bridge], "")
    with netns.instead_of("/usr/sbin/nft", "#!/bin/sh\nkill -9 $PPID\n", tmp_path):
        with pytest.raises((OSError, http.client.HTTPException)):
            server.change(vmid, "RUNNING")
        assert server.process.wait(10) == -9
    server.start()
    server.await_state(vmid, "RUNNING")
    mac = server.call("GET", "/v", vmid=vmid).expect(200).json["nics"][0]["mac_address"]
    assert f"ether saddr {mac} accept" in packet_filter()
    linux.end(vmid)


@pytest.mark.skipif(LIBVIRTD, reason="on a libvirtd only bridges are offered")
def test_what_is_left_of_a_machine_that_ended_while_no_server_looked_is_cleared(network, tmp_path):
    netns.ip("link add card2 address 02:00:00:00:77:02 type veth peer name cable2")
    netns.ip("link set card2 up")
    configuration = tmp_path / "velocity.toml"
    configuration.write_text('[network]\nfurther_kinds = ["veth"]\n')
    with velocity.Server("--config", str(configuration), "--accel", "tcg") as server:
        linux = Linux(server)
        vmid = linux.started("ended unseen", [found(server, "card2")], "")
        device = "vy" + vmid.replace("-", "")[:9]
        guest = server.guest_pid(vmid)
        server.stop()
        os.kill(guest, signal.SIGKILL)
        assert device in packet_filter()
        server.start()
        eventually(lambda: device not in packet_filter(), 20, what="the end of its guard")
        assert not [name for name in os.listdir("/sys/class/net") if name.startswith(device)]
    netns.ip("link delete card2")


def test_the_session_of_the_page_works_as_it_stands(server):
    netns.ip("link add guests type bridge")
    netns.ip("link set guests up")
    found(server, "guests")
    run_page(server, "bridged-nic")
    netns.ip("link delete guests")
