"""A network namespace of the test's own: what it does to interfaces is seen by nobody else, and all that it starts lives in it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import subprocess

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True, capture_output=True)


@contextlib.contextmanager
def network_namespace():
    """Until its end this process, with a /sys that shows the namespace, is in it. Needs root, and a process of one thread."""
    here = os.getcwd()
    outside = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("net", "mnt")]
    _check(_libc.unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare")
    try:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)
        ip("link set lo up")
        yield
    finally:
        for namespace in outside:
            _check(_libc.setns(namespace, 0), "setns")
            os.close(namespace)
        os.chdir(here)


@contextlib.contextmanager
def instead_of(program: str, script: str, directory: pathlib.Path):
    """In the namespace, a script stands where a program was."""
    stand_in = directory / "stand-in"
    stand_in.write_text(script)
    stand_in.chmod(0o755)
    subprocess.run(["mount", "--bind", stand_in, program], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", program], check=True)
