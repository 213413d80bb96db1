"""Runs a real velocityd for a test and talks to it. Used by the fixtures, and by tests that start their own.

VELOCITY_BUILD names the build directory (default: build/dev of this checkout). Every server has a state directory of its own under /tmp,
short because Unix socket paths are, and leaves nothing behind: neither files nor guests. A sanitizer's report fails the test that caused it.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
import weakref
from dataclasses import dataclass, field

SOURCE = pathlib.Path(os.environ.get("VELOCITY_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("VELOCITY_BUILD", SOURCE / "build" / "dev"))
GUESTS = SOURCE / "build" / "guests"
LONG = os.environ.get("VELOCITY_LONG", "") not in ("", "0")
ROOT_PASSWORD = "a password for tests"


class Failed(AssertionError):
    """The server did not do what every test relies on."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def expect(self, *statuses: int) -> "Answer":
        if self.status not in statuses:
            raise Failed(f"expected {' or '.join(map(str, statuses))}, the answer is {self.status}: {self.text[:2000]}")
        return self


def guest(name: str) -> pathlib.Path:
    """A disk image of tests/support/guests/build, built if it is not there."""
    image = GUESTS / f"{name}.img"
    if not image.exists():
        subprocess.run([SOURCE / "tests/support/guests/build", GUESTS, name.split("-")[0]], check=True)
    return image


def eventually(check, seconds: float = 10, every: float = 0.05, what: str = "the condition"):
    """The first true answer of check(), which is asked until the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not come within {seconds} s; last: {answer!r}")
        time.sleep(every)


# What was answered during the test: method, path and status. A test that says what it covers is held to it (velocity_fixtures.py).
seen: set[tuple[str, str, int]] = set()


def note(method: str, path: str, status: int):
    seen.add((method, route_of(path), status))


def route_of(path: str) -> str:
    """The route of a path, as docs/errors.md has it."""
    path = urllib.parse.urlsplit(path).path
    path = re.sub(r"^/r/upload/.+", "/r/upload/<id>", path)
    if re.fullmatch(r"/v/(state|types|log|snapshot|clone|stats|screenshot|console)|/r/(types|content|share|pools|upload|upload/<id>)", path):
        return path
    return re.sub(r"^/([rv])/[a-z-]+$", r"/\1/<type>", path)


class Server:
    """One velocityd. Use as a context manager, or start() and stop(); restart after kill() keeps the state."""

    alive: weakref.WeakSet = weakref.WeakSet()

    def __init__(self, *options: str, hypervisor: str | None = None, state: pathlib.Path | None = None, environment: dict | None = None,
                 root_password: str | None = ROOT_PASSWORD):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="vt", dir="/tmp"))
        self.state_directory = state or self.home / "s"
        self.options = [*options, *(["--hypervisor", hypervisor] if hypervisor else [])]
        self.environment = environment or {}
        self.root_password = root_password
        self.process: subprocess.Popen | None = None
        self.url = ""
        self._keys: dict[tuple[str, str], str] = {}
        self._connection: http.client.HTTPConnection | None = None
        self.alive.add(self)

    # Life

    def __enter__(self) -> "Server":
        try:
            return self.start()
        except BaseException:
            self.close(check=False)
            raise

    def __exit__(self, kind, *_):
        self.close(check=kind is None)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.home / "output").read_text(errors="replace")
        return ""

    def command(self) -> list[str]:
        return [str(BUILD / "server/daemon/velocityd"), "--state", str(self.state_directory), "--listen", "127.0.0.1:0",
                "--ready-file", str(self.home / "ready"), *self.options]

    def spawn(self) -> subprocess.Popen:
        """Starts the process and does not wait for it to be ready."""
        environment = {**os.environ, **self.environment}
        if self.root_password is not None:
            environment["VELOCITY_ROOT_PASSWORD"] = self.root_password
        reports = self.home / "report"
        leaks = environment.get("VELOCITY_DETECT_LEAKS", "1")
        # Without stacks of allocations: their store has a lock that libvirt's fork() can copy while it is held, and the child then spins for ever.
        environment["ASAN_OPTIONS"] = f"malloc_context_size=0:log_path={reports}:detect_leaks={leaks}:handle_abort=1"
        environment["UBSAN_OPTIONS"] = f"log_path={reports}:print_stacktrace=1:halt_on_error=1"
        environment["TSAN_OPTIONS"] = f"log_path={reports}:halt_on_error=1"
        with open(self.home / "output", "ab") as output:
            return subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
                                    start_new_session=True)

    def start(self, seconds: float = 60) -> "Server":
        ready = self.home / "ready"
        ready.unlink(missing_ok=True)
        self.process = self.spawn()

        def is_ready():
            if self.process.poll() is not None:
                raise Failed(f"velocityd ended with {self.process.returncode} at its start:\n{self.log[-4000:]}\n{self.reports()}")
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                return json.loads(ready.read_text())
            return None

        facts = eventually(is_ready, seconds, 0.01, f"velocityd's ready file (log: {self.log[-2000:]})")
        if facts["pid"] != self.process.pid:
            raise Failed(f"the ready file names pid {facts['pid']}, it is {self.process.pid}")
        self.url = facts["url"].rstrip("/")
        return self

    def stop(self, seconds: float = 30) -> int:
        """Ends the server as a service manager would. Guests run on."""
        self._drop_connection()
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGABRT)
                self.process.wait(30)
                raise Failed(f"velocityd did not end within {seconds} s of SIGTERM:\n{self.log[-4000:]}\n{self.reports()}")
        code, self.process = self.process.returncode, None
        return code

    def kill(self):
        """kill -9: what the guests and the state directory must survive."""
        self._drop_connection()
        self.process.kill()
        self.process.wait()
        self.process = None

    def restart(self) -> "Server":
        self.stop()
        return self.start()

    def reports(self) -> str:
        """What the sanitizers had to say."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.home.glob("report*")))

    def close(self, check: bool = True):
        try:
            code = self.stop()
            reports = self.reports()
            if check and reports:
                raise Failed(f"a sanitizer reported:\n{reports[:8000]}")
            if check and code != 0:
                raise Failed(f"velocityd ended with {code}:\n{self.log[-4000:]}")
            if not check:
                print(f"--- log of velocityd ---\n{self.log[-8000:]}\n{reports[:8000]}")
        finally:
            self.alive.discard(self)
            self.end_guests()
            shutil.rmtree(self.home, ignore_errors=True)

    # Guests of this server, as the operating system sees them

    def guest_pids(self, vmid: str = "") -> list[int]:
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                alive = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
                if alive and b"qemu-system" in command.split(b"\0")[0] and bytes(self.state_directory) in command and vmid.encode() in command:
                    found.append(int(entry.name))
        return found

    def guest_pid(self, vmid: str) -> int:
        pids = self.guest_pids(vmid)
        if len(pids) != 1:
            raise Failed(f"machine {vmid} has {len(pids)} processes")
        return pids[0]

    def end_guests(self):
        for pid in self.guest_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(Failed):
            eventually(lambda: not self.guest_pids(), 10, what="the end of the guests")

    # Requests

    def _drop_connection(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None, timeout: float = 90) -> Answer:
        """One request over a connection that is kept."""
        address = urllib.parse.urlsplit(self.url)
        for attempt in (0, 1):
            fresh = self._connection is None
            if fresh:
                self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)
            try:
                self._connection.request(method, path, body, headers or {})
                response = self._connection.getresponse()
                note(method, path, response.status)
                return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
            except (http.client.RemoteDisconnected, ConnectionError):
                self._drop_connection()
                if fresh or attempt:
                    raise
            except BaseException:
                self._drop_connection()
                raise
        raise AssertionError

    def call(self, method: str, path: str, fields: dict | None = None, key: str | None = "", **more) -> Answer:
        """A JSON request. `key` is an authkey; the empty one means root's, None means none."""
        fields = dict(fields or {}, **more)
        key = self.root_key() if key == "" else key
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return self.request(method, path, json.dumps(fields).encode(), headers)

    def curl(self, method: str, path: str, body: str | dict | None = None, *arguments: str) -> Answer:
        """The same with the real curl, as the documentation has it: curl -X METHOD URL -d BODY."""
        command = ["curl", "-sS", "--max-time", "90", "-D", "-", "-X", method, self.url + path]
        if method == "HEAD":
            command[command.index("-X"):command.index("-X") + 2] = ["-I", "-o", "/dev/null"]  # -D prints the header already
        if body is not None:
            command += ["-d", body if isinstance(body, str) else json.dumps(body)]
        done = subprocess.run([*command, *arguments], capture_output=True, check=False)
        if done.returncode != 0:
            raise Failed(f"curl ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
        answer = _parse_answer(done.stdout)
        note(method, path, answer.status)
        return answer

    def sign_in(self, username: str = "root", password: str | None = None) -> str:
        password = self.root_password if password is None else password
        answer = self.call("POST", "/u/auth", key=None, username=username, password=password).expect(200)
        return answer.json["authkey"]

    def root_key(self) -> str:
        if ("root", self.url) not in self._keys:
            self._keys["root", self.url] = self.sign_in()
        return self._keys["root", self.url]

    # What most tests need first

    def user(self, name: str, groups: list[int] | None = None, password: str = "a long password") -> "Person":
        made = self.call("PUT", "/u/user", username=name, password=password, groups=groups or []).expect(200).json
        listed = self.call("GET", "/u/user/groups", uid=made["uid"]).expect(200).json["groups"]
        own = next(group["gid"] for group in listed if group["groupname"] == name)
        return Person(name, made["uid"], own, self.sign_in(name, password))

    def catalog(self, label: str, group: int = 0, key: str = "") -> str:
        return self.call("PUT", "/c", key=key, group=group, label=label).expect(200).json["cid"]

    def disk(self, label: str, group: int = 0, size_mb: int = 1, key: str = "", **more) -> str:
        return self.call("PUT", "/r/disk-image", key=key, group=group, label=label, size_mb=size_mb, **more).expect(200).json["stid"]

    def upload(self, image: pathlib.Path | bytes, label: str, group: int = 0, format: str = "raw", key: str = "", chunk: int = 8 << 20) -> str:
        """Sends an image by tus and answers its STID."""
        data = image if isinstance(image, bytes) else pathlib.Path(image).read_bytes()
        location = self.create_upload(len(data), label, group, format, key).expect(201).headers["location"]
        answer = None
        for offset in range(0, max(len(data), 1), chunk):
            answer = self.append_upload(location, offset, data[offset:offset + chunk], key).expect(204)
        return answer.headers["velocity-resource"]

    def create_upload(self, length: int, label: str, group: int = 0, format: str = "raw", key: str = "") -> Answer:
        metadata = ",".join(f"{name} {base64.b64encode(str(value).encode()).decode()}"
                            for name, value in (("group", group), ("label", label), ("format", format)))
        return self.request("POST", "/r/upload", headers=self._tus(key, {"Upload-Length": str(length), "Upload-Metadata": metadata}))

    def append_upload(self, location: str, offset: int, data: bytes, key: str = "") -> Answer:
        headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        return self.request("PATCH", urllib.parse.urlsplit(location).path, data, self._tus(key, headers))

    def _tus(self, key: str, headers: dict) -> dict:
        return {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {key or self.root_key()}", **headers}

    def machine(self, name: str, catalog: str, disks: list[str] | None = None, key: str = "", type: str = "efi", **more) -> str:
        fields = {"name": name, "catalog": catalog, "cpu_count": 1, "memory_size_mb": 128, "storage_devices": disks or [], **more}
        return self.call("PUT", f"/v/{type}", fields, key=key).expect(200).json["vmid"]

    def state(self, vmid: str, key: str = "") -> str:
        return self.call("GET", "/v/state", key=key, vmid=vmid).expect(200).json["state"]

    def change(self, vmid: str, state: str, key: str = "", **more) -> Answer:
        return self.call("POST", "/v/state", key=key, vmid=vmid, state=state, **more)

    def console(self, vmid: str, key: str = "", **more) -> str:
        return self.call("GET", "/v/log", key=key, vmid=vmid, **more).expect(200).text

    def await_text(self, vmid: str, text: str = "VELOCITY-GUEST-READY", seconds: float = 120) -> str:
        return eventually(lambda: (log := self.console(vmid)) and text in log and log, seconds, 0.2, f"{text!r} on the serial port")

    def await_state(self, vmid: str, state: str, seconds: float = 30) -> str:
        return eventually(lambda: self.state(vmid) == state, seconds, 0.05, f"state {state}")


@dataclass
class Person:
    name: str
    uid: int
    group: int  # its own
    key: str


def _parse_answer(output: bytes) -> Answer:
    """What curl -D - printed: perhaps interim answers, then the header and the body."""
    while True:
        header, _, rest = output.partition(b"\r\n\r\n")
        status_line, *lines = header.decode("latin-1").split("\r\n")
        status = int(status_line.split()[1])
        if status != 100:
            break
        output = rest
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(status, headers, rest)
