"""What the tests of NICs share: fixtures, which their files import, and machines that run a script. For root, all happens in a network namespace."""

import contextlib
import os
import re
import socket
import subprocess

import libvirtd
import netns
import pytest

import velocity

ROOT = os.geteuid() == 0
LIBVIRTD = libvirtd.chosen()
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
    with libvirtd.real_server() as server:
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


def run_page(server, page: str) -> None:
    """The session of a page of the documentation works as it stands."""
    text = (velocity.SOURCE / f"docs/types/{page}.md").read_text()
    blocks = re.findall(r"<!-- session -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 2
    environment = {**os.environ, "V": server.url, "KEY": server.root_key(), "PORT": str(free_port())}
    done = subprocess.run(["bash", "-eux", "-c", "".join(blocks)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert '"state":"RUNNING"' in done.stdout.replace(" ", ""), done.stdout + done.stderr
    assert '"problems"' not in done.stdout and '"code"' not in done.stdout, done.stdout
