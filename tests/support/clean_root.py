"""A root directory of a test's own, booted with systemd: where packages are installed, run, upgraded and removed as on a machine of its own.

What is in it is this Debian's own files, or those of a directory that is given, below a layer in memory that takes all changes. Of the
checkout and of /usr/local nothing is there. It has processes, network and control groups of its own; needs root, and a kernel that lets it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import velocity

CLONE_NEWNET = 0x40000000
NAMESPACES = ["--mount", "--pid", "--fork", "--cgroup", "--net", "--uts", "--ipc"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Makes the root and becomes its init. $1: what is in it; $2: a directory for the layer; $3: what is hidden.
SETUP = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$2"  # a layer cannot lie within what it lies upon
root=$2/root
mkdir "$root" "$2/upper" "$2/work"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for part in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$part"; done
chmod 1777 "$root/tmp"
for device in null zero full random urandom tty kvm; do
  [ ! -e "/dev/$device" ] || { : > "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; }
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for hidden in "$3" /usr/local; do
  [ ! -d "$root$hidden" ] || mount -t tmpfs -o mode=755 tmpfs "$root$hidden"
done
rm -f "$root/usr/sbin/policy-rc.d"  # images for containers forbid services
: > "$root/etc/machine-id"
mkdir -p "$root/.host"
cd "$root"
pivot_root . .host
cd /
umount -l /.host
exec env -i container=oci PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target
"""


# What SETUP needs of the kernel.
TRIAL = """
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root /mnt/groups
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mount -t cgroup2 cgroup2 /mnt/groups
test -x /mnt/root/lib/systemd/systemd
"""


def why_impossible() -> str:
    """Why there can be no such root here; empty if there can."""
    if os.geteuid() != 0:
        return "a root directory of its own needs root"
    tried = subprocess.run(["unshare", *NAMESPACES, "sh", "-ec", TRIAL], capture_output=True, text=True, check=False)
    return f"this kernel makes no root directory of its own: {tried.stderr}" if tried.returncode else ""


class CleanRoot:
    def __init__(self, lower: pathlib.Path = pathlib.Path("/")):
        self.lower = lower
        (velocity.SOURCE / "build").mkdir(exist_ok=True)
        self.layer = pathlib.Path(tempfile.mkdtemp(prefix="root.", dir=velocity.SOURCE / "build"))
        self.process: subprocess.Popen | None = None
        self.init = 0

    def __enter__(self) -> "CleanRoot":
        try:
            return self.boot()
        except BaseException:
            self.__exit__()
            raise

    def boot(self) -> "CleanRoot":
        self.process = subprocess.Popen(
            ["unshare", *NAMESPACES, "--kill-child", "bash", "-c", SETUP, "setup", str(self.lower), str(self.layer), str(velocity.SOURCE)],
            stdin=subprocess.DEVNULL, stdout=open(self.layer / "boot", "wb"), stderr=subprocess.STDOUT)

        def booted():
            if self.process.poll() is not None:
                raise velocity.Failed(f"the root did not boot:\n{(self.layer / 'boot').read_text(errors='replace')}")
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if not children:
                return False
            self.init = int(children[0])
            return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

        velocity.eventually(booted, 60, 0.2, "the root's boot")
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
        shutil.rmtree(self.layer, ignore_errors=True)

    def _inside(self, command) -> list[str]:
        return ["nsenter", "-t", str(self.init), *(option for option in NAMESPACES if option != "--fork"), "--", "env", "-i", f"PATH={PATH}", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
                *map(str, command)]

    def run(self, *command, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess:
        """Runs a command in it. Answers what it printed, errors too; its failure is the test's, unless that is expected."""
        done = subprocess.run(self._inside(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=timeout, check=False)
        if check and done.returncode:
            raise velocity.Failed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
        return done

    def spawn(self, *command, output) -> subprocess.Popen:
        return subprocess.Popen(self._inside(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def put(self, file: pathlib.Path, to: str):
        """A copy of a file of the host's in it."""
        with open(file, "rb") as source:
            subprocess.run(self._inside(["sh", "-c", f'cat > "{to}"']), stdin=source, check=True)

    @contextlib.contextmanager
    def network(self):
        """Within it this thread, and what it starts, is on the root's network."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(descriptor):
            if libc.setns(descriptor, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

        with open("/proc/thread-self/ns/net") as before, open(f"/proc/{self.init}/ns/net") as its:
            enter(its.fileno())
            try:
                yield
            finally:
                enter(before.fileno())
