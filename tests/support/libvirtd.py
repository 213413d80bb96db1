"""A libvirtd of a test's own, in a mount namespace that nobody else sees. Used by the fixtures."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import velocity

# QEMU as the server's own user, files left to who they belong to, nothing that wants systemd.
CONFIGURATION = """stdio_handler = "file"
user = "root"
group = "root"
swtpm_user = "root"
swtpm_group = "root"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
security_driver = "none"
"""


def why_impossible() -> str:
    if os.geteuid() != 0:
        return "a libvirtd of its own needs root"
    if shutil.which("libvirtd") is None:
        return "libvirtd is not installed (package libvirt-daemon)"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        return "mount namespaces are not allowed here"
    return ""


def chosen() -> bool:
    """Whether this run of the tests is over a libvirtd."""
    return bool(os.environ.get("VELOCITY_TEST_LIBVIRTD"))


@contextlib.contextmanager
def real_server(*options: str, kind=velocity.Server):
    """A server with real guests, in emulation, which every machine can do: over the embedded driver or, with VELOCITY_TEST_LIBVIRTD set, over a
    libvirtd of its own, which is then its attribute `libvirtd`."""
    if not chosen():
        with kind("--accel", "tcg", *options) as server:
            yield server
        return
    if why := why_impossible():
        pytest.skip(why)
    with Libvirtd() as daemon, kind("--accel", "tcg", *options, hypervisor=daemon.uri) as server:
        server.libvirtd = daemon
        yield server


class Libvirtd:
    """Use as a context manager. Guests are the server's to end before it."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="vl", dir="/tmp"))
        self.process: subprocess.Popen | None = None

    @property
    def socket(self) -> pathlib.Path:
        return self.home / "d/socket/libvirt-sock"

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.socket}"

    def __enter__(self) -> "Libvirtd":
        configuration = self.home / "qemu.conf"
        configuration.write_text(CONFIGURATION)
        with open(self.home / "output", "ab") as output:
            self.process = subprocess.Popen([velocity.SOURCE / "tests/libvirt/run_libvirtd.sh", self.home / "d", configuration],
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        try:
            velocity.eventually(self._listens, 30, what="libvirtd's socket")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _listens(self) -> bool:
        if self.process.poll() is not None:
            raise velocity.Failed(f"libvirtd ended with {self.process.returncode}: {(self.home / 'output').read_text(errors='replace')[-4000:]}")
        return self.socket.exists()

    def virsh(self, *words: str) -> str:
        return subprocess.run(["virsh", "--quiet", "--connect", self.uri, *map(str, words)], check=True, capture_output=True, text=True).stdout

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)
