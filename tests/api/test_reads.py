"""Reads are answered from memory: no libvirt call, no process, and no file or database touched, however many machines there are.

strace watches every thread of the server while it answers. To be sure that it would see such an access, the same watch is then held over a
change, which must show up.
"""

import collections
import re
import signal
import subprocess
import time

import pytest

import velocity

MACHINES = 1000

# What a read has no business to do. write and sendmsg are what the log and the socket need; futex, epoll and the like are threads at work.
FORBIDDEN = ("open", "openat", "openat2", "creat", "read64", "pread64", "preadv", "pwrite64", "pwritev", "fsync", "fdatasync", "stat", "newfstatat",
             "unlink", "rename", "execve", "execveat", "fork", "vfork", "clone", "clone3", "connect", "fcntl")


@pytest.fixture(scope="module")
def server():
    # strace and the leak checker cannot both watch a process.
    with velocity.Server(hypervisor="test:///default", environment={"VELOCITY_DETECT_LEAKS": "0"}) as server:
        yield server


@pytest.fixture(scope="module")
def machines(server):
    catalogs = [server.catalog(f"catalog {number}") for number in range(10)]
    return [server.machine(f"machine {number}", catalogs[number % 10]) for number in range(MACHINES)]


class Watch:
    """strace over all threads of a process, from entering to leaving the block."""

    def __init__(self, pid: int, output):
        self.calls: collections.Counter = collections.Counter()
        self.lines: list[str] = []
        self._pid, self._output = pid, output

    def __enter__(self):
        self._process = subprocess.Popen(["strace", "-f", "-y", "-o", str(self._output), "-p", str(self._pid)], stderr=subprocess.PIPE, text=True)
        for line in self._process.stderr:
            if "attached" in line:
                break
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=60)
        self.lines = self._output.read_text(errors="replace").splitlines()
        for line in self.lines:
            if match := re.match(r"\d+ +(\w+)\(", line):
                self.calls[match[1]] += 1


def forbidden(watch: Watch) -> list[str]:
    found = [line for line in watch.lines if re.match(rf"\d+ +({'|'.join(FORBIDDEN)})\(", line)]
    # Whatever else is called on a file of the database or on a socket of libvirt or QEMU.
    return found + [line for line in watch.lines if re.search(r"velocity\.db|libvirt|qemu|monitor\.sock", line) and line not in found]


READS = [("GET", "/v", {}), ("GET", "/c", {}), ("GET", "/r", {}), ("GET", "/v", "vmid"), ("GET", "/v/state", "vmid")]


@pytest.mark.parametrize("method, path, fields", READS, ids=[f"{path} {fields or ''}" for _, path, fields in READS])
def test_a_read_touches_nothing_but_memory(method, path, fields, server, machines, tmp_path):
    key = server.root_key()
    requests = [{"vmid": vmid} for vmid in machines[:50]] if fields == "vmid" else [{}] * 10
    server.call(method, path, requests[0], key=key).expect(200)
    with Watch(server.pid, tmp_path / "calls") as watch:
        for request in requests:
            server.call(method, path, request, key=key).expect(200)
    assert sum(watch.calls.values()) >= len(requests), "strace saw nothing at all"
    assert forbidden(watch) == []


def test_the_watch_sees_a_change(server, machines, tmp_path):
    with Watch(server.pid, tmp_path / "calls") as watch:
        server.catalog("made under watch")
    assert forbidden(watch)


def test_a_list_of_a_thousand_machines_has_them_all(server, machines):
    listed = server.call("GET", "/v").expect(200).json
    names = {machine["vmid"] for machine in listed["machines"]}
    assert names == set(machines)
    assert sum(catalog["machines"] for catalog in server.call("GET", "/c").expect(200).json["catalogs"]) == len(machines)


def test_pages_add_up_to_the_list(server, machines):
    seen, after = [], {}
    while True:
        page = server.call("GET", "/v", {"limit": 300, **after}).expect(200).json
        seen += [machine["vmid"] for machine in page["machines"]]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert sorted(seen) == sorted(machines) and len(seen) == len(set(seen))
