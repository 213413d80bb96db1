"""kill -9 at every file operation of a short life, and a full comparison after the next start.

Each run has a state directory of its own, copied from a prepared one. VELOCITY_LONG=1 takes every point; otherwise 320 are taken,
evenly spread, every second one in the middle of a write.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUILD = Path(os.environ["VELOCITY_BUILD"])
LIFE = BUILD / "tests/fault/life"
KILL_AT = BUILD / "tests/fault/kill_at.so"
POINTS = 320


def run(*arguments, **environment):
    variables = dict(os.environ, ASAN_OPTIONS="malloc_context_size=0:verify_asan_link_order=0:detect_leaks=0", **environment)
    return subprocess.run([LIFE, *arguments], env=variables, capture_output=True, text=True, timeout=120)


def live(state, acks, **environment):
    return run("live", state, acks, LD_PRELOAD=str(KILL_AT), **environment)


def fresh(prepared, directory, name):
    state = directory / name
    shutil.copytree(prepared, state, symlinks=True, ignore=lambda at, names: [n for n in names if (Path(at) / n).is_socket()])
    return state


def test_nothing_acknowledged_is_lost_and_nothing_half_made_is_left_wherever_the_server_is_killed():
    with tempfile.TemporaryDirectory(prefix="velocity-") as name:
        directory = Path(name)
        prepared = directory / "prepared"
        made = run("prepare", prepared)
        assert made.returncode == 0, made.stdout + made.stderr

        whole = fresh(prepared, directory, "whole")
        count = directory / "count"
        lived = live(whole, directory / "acks", KILL_COUNT=str(count))
        assert lived.returncode == 0, lived.stdout + lived.stderr
        checked = run("check", whole, directory / "acks")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        total = int(count.read_text())
        assert total > POINTS / 2, f"only {total} file operations"

        def attempt(number, point):
            state = fresh(prepared, directory, f"s{number}")
            acks = directory / f"a{number}"
            acks.touch()
            torn = {"KILL_TORN": "1"} if number % 2 else {}
            killed = live(state, acks, KILL_AT=str(point), **torn)
            # The last points may lie behind the end: threads make the count differ a little.
            if killed.returncode not in (-signal.SIGKILL, 0):
                return f"point {point}: ended with {killed.returncode}: {killed.stdout}{killed.stderr[-2000:]}", False
            checked = run("check", state, acks)
            shutil.rmtree(state, ignore_errors=True)
            wrong = "" if checked.returncode == 0 else f"point {point} {torn}: {checked.stdout}{checked.stderr[-2000:]}\n{acks.read_text()}"
            return wrong, killed.returncode != 0

        if os.environ.get("VELOCITY_LONG"):
            points = [p for p in range(1, total + 1) for _ in range(2)]
        else:
            points = [1 + (i * total) // POINTS for i in range(POINTS)]
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(attempt, range(len(points)), points))
        wrong = [text for text, _ in results if text]
        kills = sum(died for _, died in results)
        print(f"{kills} kills at {len(set(points))} of {total} points")
        assert not wrong, "\n".join(wrong[:5])
        assert kills >= 0.95 * len(points), f"only {kills} of {len(points)} runs were killed"
