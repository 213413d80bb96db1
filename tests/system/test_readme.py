"""What the README tells people to type works as it stands, and so does script/demo."""

import os
import subprocess

import velocity
from readme import session


def run(command, server, **more):
    environment = {**os.environ, "VELOCITY_URL": server.url}
    done = subprocess.run(command, cwd=velocity.SOURCE, env=environment, capture_output=True, text=True, errors="replace", timeout=400, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_session_of_the_readme_ends_with_text_that_a_guest_printed(real_server):
    output = run(["bash", "-eu", "-c", session()], real_server, input=velocity.ROOT_PASSWORD + "\n")
    assert "VELOCITY-GUEST-READY" in output and "Linux 6." in output
    assert '"state":"STOPPED"' in output.replace(" ", "").splitlines()[-1]


def test_the_demo_ends_at_a_shell_prompt_of_the_guest(real_server, monkeypatch):
    monkeypatch.setenv("VELOCITY_ROOT_PASSWORD", velocity.ROOT_PASSWORD)
    output = run(["script/demo"], real_server, stdin=subprocess.DEVNULL)
    assert output.rstrip().endswith("velocity-guest:/#")


def test_the_example_client_boots_an_image_and_shows_what_it_says(real_server, monkeypatch):
    monkeypatch.setenv("VELOCITY_PASSWORD", velocity.ROOT_PASSWORD)
    output = run(["/usr/bin/python3", "examples/boot.py", real_server.url, "root", velocity.guest("tiny-brief")], real_server)
    assert "VELOCITY-GUEST-READY" in output
