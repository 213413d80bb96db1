"""Measures the server against yardsticks in the same run, and says whether each ratio is within its bound. Run by script/bench.

Rounds of the two sides alternate and medians are compared, so that what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import velocity  # noqa: E402

BENCH = velocity.BUILD / "tests" / "bench"


class Figures:
    def __init__(self):
        self.rows: list[dict] = []

    def add(self, name: str, value: float, unit: str, bound: str = "", within: bool | None = None, **details):
        self.rows.append({"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "within": within, **details})
        verdict = "" if within is None else "ok" if within else "MISSED"
        note = ", ".join(f"{key} {number}" for key, number in details.items())
        print(f"{name:<52} {value:>10.3f} {unit:<6} {bound:<14} {verdict:<7} {note}", flush=True)


def wrk(url: str, seconds: int, *headers: str) -> float:
    """Requests a second over 16 kept connections."""
    options = [part for header in headers for part in ("-H", header)]
    done = subprocess.run(["wrk", "-t1", "-c16", f"-d{seconds}s", *options, url], capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"the load was not served: {done.stdout}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])


def reads(figures: Figures, rounds: int, seconds: int):
    with velocity.Server(hypervisor="test:///default") as server:
        vmid = server.machine("read", server.catalog("reads"))
        bare = subprocess.Popen([BENCH / "bare_pistache", "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(bare.stdout.readline())
        path, key = f"/v/state?vmid={vmid}", f"Authorization: Bearer {server.root_key()}"
        ours, theirs = [], []
        try:
            for _ in range(rounds):
                # Pistache closes a connection whose client does not say this, though HTTP/1.1 needs no such word.
                theirs.append(wrk(f"http://127.0.0.1:{port}{path}", seconds, key, "Connection: Keep-Alive"))
                ours.append(wrk(server.url + path, seconds, key, "Connection: Keep-Alive"))
        finally:
            bare.stdin.close()
            bare.wait(30)
        ratio = statistics.median(ours) / statistics.median(theirs)
        figures.add("GET /v/state, against a bare Pistache route", ratio, "", ">= 0.4", ratio >= 0.4,
                    per_second=round(statistics.median(ours)), bare=round(statistics.median(theirs)))


def starts(figures: Figures, rounds: int, times: int):
    with velocity.Server("--accel", "tcg") as server:
        stid = server.upload(velocity.guest("tiny"), "disk")
        vmid = server.machine("started", server.catalog("starts"), [stid])
        key = server.root_key()
        ours, theirs = [], []
        server.change(vmid, "RUNNING", key=key).expect(200)  # the first one makes caches
        server.change(vmid, "STOPPED", key=key, force=True).expect(200)
        for _ in range(rounds):
            for _ in range(times):
                begin = time.monotonic()
                server.change(vmid, "RUNNING", key=key).expect(200)
                ours.append((time.monotonic() - begin) * 1000)
                server.change(vmid, "STOPPED", key=key, force=True).expect(200)
            server.stop()
            done = subprocess.run([BENCH / "bare_start", server.state_directory / "libvirt", vmid, str(times)], capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"bare_start failed: {done.stderr}")
            theirs += [float(line) for line in done.stdout.split()]
            server.start()
            # It answers before the hypervisor does, should that one be slow.
            velocity.eventually(lambda: server.call("GET", "/readyz", key=None).json["ready"], 60, what="the hypervisor")
        ratio = statistics.median(ours) / statistics.median(theirs)
        figures.add("starting a guest, against virDomainCreate", ratio, "", "<= 1.1", ratio <= 1.1,
                    ms=round(statistics.median(ours)), bare_ms=round(statistics.median(theirs)))


def status(pid: int, field: str) -> int:
    """A size in KiB out of /proc."""
    return int(re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def send(server: velocity.Server, location: str, image: pathlib.Path):
    server.curl("PATCH", location, None, "-T", str(image), "-H", f"Authorization: Bearer {server.root_key()}", "-H", "Tus-Resumable: 1.0.0",
                "-H", "Upload-Offset: 0", "-H", "Content-Type: application/offset+octet-stream").expect(204)


def uploads(figures: Figures, rounds: int, mebibytes: int = 256):
    with velocity.Server(hypervisor="test:///default") as server:
        image = server.home / "image"
        with open(image, "wb") as file:
            for _ in range(mebibytes):
                file.write(os.urandom(1 << 20))
        server.upload(b"\xeb" * 4096, "warm up")
        ours, theirs, synced, growths = [], [], [], []
        for number in range(rounds):
            begin = time.monotonic()
            subprocess.run(["cp", image, server.home / "copy"], check=True)
            theirs.append(time.monotonic() - begin)
            subprocess.run(["sync", server.home / "copy"], check=True)  # what the server acknowledges is on the disk; what cp wrote is not
            synced.append(time.monotonic() - begin)
            (server.home / "copy").unlink()

            location = server.create_upload(image.stat().st_size, f"image {number}").expect(201).headers["location"]
            pathlib.Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # peak memory starts anew
            before = status(server.pid, "VmRSS")
            ours.append(timed(lambda: send(server, location, image)))
            growths.append((status(server.pid, "VmHWM") - before) / 1024)
        figures.add(f"upload of {mebibytes} MiB, against cp", statistics.median(ours) / statistics.median(theirs), "",
                    seconds=round(statistics.median(ours), 2), cp_seconds=round(statistics.median(theirs), 2),
                    cp_and_sync_seconds=round(statistics.median(synced), 2))
        figures.add("memory growth meanwhile", max(growths), "MiB", "<= 16", max(growths) <= 16)


NGINX = """
worker_processes 1; pid {home}/pid; error_log {home}/errors; daemon off; master_process off;
events {{ }}
http {{
  access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  server {{ listen 127.0.0.1:{port}; root {home}/files; client_max_body_size 0; location / {{ dav_methods PUT; }} }}
}}
"""


class Nginx:
    """A file server that takes PUT, on a port of its own."""

    def __init__(self, home: pathlib.Path):
        (home / "files").mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (home / "nginx.conf").write_text(NGINX.format(home=home, port=self.port))
        self.home = home
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-p", home, "-c", home / "nginx.conf"], stderr=subprocess.DEVNULL)
        velocity.eventually(self.answers, 10, what="nginx")

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def put(self, file: pathlib.Path):
        subprocess.run(["curl", "-sSf", "-T", file, f"http://127.0.0.1:{self.port}/image"], check=True)

    def end(self):
        self.process.terminate()
        self.process.wait(30)


def against_nginx(figures: Figures, rounds: int, mebibytes: int = 1024):
    """The same file, sent by the same client over loopback to the same file system. The server inspects the image and answers when it is on the disk; nginx answers
    when it is written. What that is worth is told beside the ratio, and the ratio is held against nginx as it is.

    Before each the disk has nothing left to do, so that none pays for the other; what one takes to remove the file again is not counted for either."""
    if not pathlib.Path("/usr/sbin/nginx").exists():
        raise SystemExit("missing: nginx. Install it with: apt-get install nginx. script/bootstrap does not, because Debian's package starts a server of its own on port 80")
    with velocity.Server(hypervisor="test:///default") as server:
        image = server.home / "image"
        with open(image, "wb") as file:
            for _ in range(mebibytes):
                file.write(os.urandom(1 << 20))
        nginx = Nginx(server.home / "nginx")
        server.root_key()
        ours, theirs, synced, copied, growths = [], [], [], [], []

        def upload(number: int):
            location = server.create_upload(image.stat().st_size, f"image {number}").expect(201).headers["location"]
            send(server, location, image)

        def copy():
            subprocess.run(["cp", image, server.home / "copy"], check=True)

        try:
            for number in range(rounds):
                os.sync()
                theirs.append(timed(lambda: nginx.put(image)))
                file = nginx.home / "files" / "image"
                synced.append(theirs[-1] + timed(lambda: subprocess.run(["sync", file], check=True)))
                file.unlink()
                os.sync()
                copied.append(timed(copy))
                (server.home / "copy").unlink()
                os.sync()
                pathlib.Path(f"/proc/{server.pid}/clear_refs").write_text("5")
                before = status(server.pid, "VmRSS")
                ours.append(timed(lambda: upload(number)))
                growths.append((status(server.pid, "VmHWM") - before) / 1024)
                server.call("DELETE", "/r", rid=server.call("GET", "/r").json["resources"][0]["rid"]).expect(200)
        finally:
            nginx.end()
        ratio = statistics.median(ours) / statistics.median(theirs)
        figures.add(f"upload of {mebibytes} MiB, against nginx's PUT", ratio, "", "<= 1.5", ratio <= 1.5, seconds=round(statistics.median(ours), 2),
                    nginx_seconds=round(statistics.median(theirs), 2), nginx_and_sync_seconds=round(statistics.median(synced), 2),
                    cp_seconds=round(statistics.median(copied), 2))
        figures.add("memory growth meanwhile", max(growths), "MiB", "<= 16", max(growths) <= 16)


def timed(work) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def disks(figures: Figures, rounds: int, times: int = 10):
    """An empty image through the API, against qemu-img in a process of its own; and a linked clone of a large disk against an empty one."""
    with velocity.Server(hypervisor="test:///default") as server:
        base = server.disk("base", size_mb=10_240)
        ours, theirs, clones = [], [], []
        key = server.root_key()
        number = 0
        for _ in range(rounds):
            for _ in range(times):
                number += 1
                ours.append(timed(lambda: server.disk(f"disk {number}", size_mb=1024, key=key)))
                theirs.append(timed(lambda: subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", server.home / "bare", "1G"], check=True)))
                clones.append(timed(lambda: server.call("PUT", "/r/disk-image", key=key, group=0, label=f"clone {number}", source=base, linked=True).expect(200)))
        created, bare, cloned = (statistics.median(values) for values in (ours, theirs, clones))
        figures.add("creating an empty qcow2, against qemu-img create", created / bare, "", "<= 1.3", created / bare <= 1.3, ms=round(created * 1000),
                    bare_ms=round(bare * 1000))
        figures.add("a linked clone of 10 GiB, against an empty disk", cloned / created, "", "<= 3", cloned / created <= 3, ms=round(cloned * 1000))


def idle(figures: Figures, rounds: int):
    with velocity.Server("--accel", "tcg") as server:
        server.root_key()
        server.stop()  # the capability cache is warm now
        taken, memory = [], []
        for _ in range(rounds):
            begin = time.monotonic()
            server.start()
            taken.append(time.monotonic() - begin)
            time.sleep(2)
            memory.append(status(server.pid, "VmRSS") / 1024)
            server.stop()
        server.start()
        figures.add("resident memory when idle", statistics.median(memory), "MiB")
        figures.add("from start to ready, warm", statistics.median(taken), "s", "<= 1", statistics.median(taken) <= 1)


def plugins(figures: Figures, rounds: int):
    """What the plugin boundary costs. The cache of verdicts is warm after the first run."""
    with tempfile.TemporaryDirectory() as cache:
        command = [velocity.BUILD / "tests/bench/plugin_boundary", velocity.BUILD / "plugins", velocity.BUILD / "bin/velocity-plugin", cache]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(rounds + 1)][1:]
    load, across, direct, ratio = (statistics.median(run[name] for run in runs) for name in ("load_ms", "plan_us", "direct_us", "ratio"))
    figures.add("loading all plugins, tried before", load, "ms", "<= 20", load <= 20)
    figures.add("plan across the boundary", across, "us", "<= 50", across <= 50)
    figures.add("plan across the boundary, against a direct call", ratio, "", "<= 3", ratio <= 3, direct_us=round(direct, 1))


def processor_time(pid: int) -> int:
    """What the processors have worked for a process so far, in nanoseconds. Unlike the time that passes it does not count the other programs of the machine."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def cost(server: velocity.Server, times: int, request) -> float:
    """Processor time of the server for one request, in microseconds."""
    before = processor_time(server.pid)
    for _ in range(times):
        request(server)
    return (processor_time(server.pid) - before) / times / 1000


def instructions_of_a_page(many: int) -> float:
    """What a page of 50 machines takes of `many`, counted by valgrind: not every machine's processor can. The rows are put into the database, and no hypervisor is there:
    a read needs none."""
    with velocity.Server(hypervisor="test:///there/is/none.xml") as server:
        catalog = server.catalog("grown")
        server.stop()
        with contextlib.closing(sqlite3.connect(server.state_directory / "velocity.db")) as rows:
            rows.executemany("INSERT INTO machines (vmid, name, cid, type, plugin, cpu_count, memory_mb, displays, autostart, rosetta, spec, created, phase) "
                             "VALUES (?, ?, ?, 'efi', 'efi', 1, 64, '[]', 0, 0, '{}', 0, 'ready')",
                             [(str(uuid.uuid4()), f"m{number}", catalog) for number in range(many)])
            rows.commit()
        plain = server.command
        counts = server.home / "counts"
        server.command = lambda: ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={counts}.%p", *plain()]
        server.start(300)
        server.root_key()
        pages = 20

        def ask(times):
            for _ in range(times):
                assert len(server.call("GET", "/v", limit=50).expect(200).json["machines"]) == 50

        def control(*what):
            subprocess.run(["callgrind_control", *what, str(server.pid)], check=True, capture_output=True)

        ask(5)
        control("-i", "on")
        ask(pages)
        control("-d")
        found = [int(total) for file in server.home.glob("counts*") for total in re.findall(r"^totals: (\d+)", file.read_text(), re.MULTILINE)]
        return max(found) / pages


def growth(figures: Figures, rounds: int, many: int):
    """What a page and a creation cost with few machines and with many. The pages are full in both, so that both have the same to write."""
    few, lots = instructions_of_a_page(60), instructions_of_a_page(many)
    figures.add(f"a page of 50 machines of {many}, against one of 60", lots / few, "", "<= 1.1", lots / few <= 1.1, instructions=round(lots),
                instructions_of_60=round(few))
    with velocity.Server(hypervisor="test:///default") as small, velocity.Server(hypervisor="test:///default") as large:
        catalogs = {small: small.catalog("grown"), large: large.catalog("grown")}
        for server, count in ((small, 10), (large, many)):
            for number in range(count):
                server.machine(f"m{number}", catalogs[server], memory_size_mb=64)

        def create(server):
            made.append((server, server.machine(f"more {len(made)}", catalogs[server], memory_size_mb=64)))

        made: list = []
        costs_few, costs_many = [], []
        for _ in range(5 * rounds):
            costs_few.append(cost(small, 20, create))
            costs_many.append(cost(large, 20, create))
            while made:
                server, vmid = made.pop()
                server.call("DELETE", "/v", vmid=vmid).expect(200)
        ratio = statistics.median(costs_many) / statistics.median(costs_few)
        figures.add(f"creating one machine at {many}, against at 10", ratio, "", "<= 1.2", ratio <= 1.2, us=round(statistics.median(costs_many)),
                    us_at_10=round(statistics.median(costs_few)))


def main():
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a smoke test, not a measurement")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("parts", nargs="*", metavar="PART", help="reads, starts, uploads, disks, idle, plugins, growth (default: all of these), nginx")
    options = parser.parse_args()
    rounds = 2 if options.quick else 7
    parts = {"reads": lambda: reads(figures, rounds, 1 if options.quick else 3), "starts": lambda: starts(figures, min(rounds, 4), 3 if options.quick else 8),
             "uploads": lambda: uploads(figures, rounds), "nginx": lambda: against_nginx(figures, min(rounds, 5)), "disks": lambda: disks(figures, min(rounds, 3)), "idle": lambda: idle(figures, rounds), "plugins": lambda: plugins(figures, rounds),
             "growth": lambda: growth(figures, min(rounds, 3), 500 if options.quick else 10_000)}
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    if missing := [tool for tool in ("wrk", "curl", "valgrind") if not shutil.which(tool)]:
        parser.error(f"missing: {', '.join(missing)}; script/bootstrap installs them")
    figures = Figures()
    for name in options.parts or [part for part in parts if part != "nginx"]:
        parts[name]()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures.rows, indent=2) + "\n")
    sys.exit(any(row["within"] is False for row in figures.rows))


if __name__ == "__main__":
    main()
