"""The commands that people type explain themselves, and bootstrap knows what is here."""

import os
import subprocess

import pytest

import velocity

SCRIPTS = sorted(path.name for path in (velocity.SOURCE / "script").iterdir() if os.access(path, os.X_OK))


def run(*command):
    return subprocess.run(command, cwd="/", capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_text_and_does_nothing_else(script):
    done = run(velocity.SOURCE / "script" / script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: script/{script}")


@pytest.mark.parametrize("script", ["bootstrap", "build", "demo"])
def test_an_unknown_option_is_refused(script):
    done = run(velocity.SOURCE / "script" / script, "--no-such-option")
    assert done.returncode == 2 and "usage" in done.stderr


def test_nothing_is_missing_where_the_tests_run():
    done = run(velocity.SOURCE / "script/bootstrap", "--list")
    assert (done.returncode, done.stdout) == (0, "")


def test_every_package_says_why_it_is_needed():
    lines = (velocity.SOURCE / "script/packages.txt").read_text().splitlines()
    packages = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert all(len(entry) == 2 for entry in packages)
    names = [name for name, _ in packages]
    assert len(names) == len(set(names)) > 20


def test_the_demo_needs_a_password_where_nobody_can_be_asked(mock_server, monkeypatch):
    monkeypatch.delenv("VELOCITY_ROOT_PASSWORD", raising=False)
    done = run(velocity.SOURCE / "script/demo", "--url", mock_server.url)
    assert done.returncode == 1 and "VELOCITY_ROOT_PASSWORD" in done.stderr
