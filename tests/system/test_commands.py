"""The README's two commands, as a person types them. script/test has built what they run."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile

import velocity

SOURCE = pathlib.Path(os.environ["VELOCITY_SOURCE"])


def test_script_server_serves_from_nothing_and_ends_when_told_to():
    with tempfile.TemporaryDirectory(prefix="v") as directory:
        ready = pathlib.Path(directory) / "ready"
        command = [SOURCE / "script/server", "--state", f"{directory}/s", "--listen", "127.0.0.1:0", "--hypervisor", "test:///default",
                   "--ready-file", ready]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            velocity.eventually(ready.exists, seconds=300, what="the server's readiness")
            told = json.loads(ready.read_text())
            assert told["pid"] == server.pid, "the script becomes the server"
            version = subprocess.run(["curl", "-s", told["url"] + "/version"], capture_output=True, text=True, check=True)
            assert json.loads(version.stdout)["server"]
        finally:
            server.send_signal(signal.SIGTERM)
            output, _ = server.communicate(timeout=60)
        assert server.returncode == 0
        assert told["url"] in output and "password" in output, output


def test_script_demo_alone_ends_at_a_guests_shell_prompt():
    with tempfile.TemporaryDirectory(prefix="v") as directory:
        environment = dict(os.environ, VELOCITY_URL="http://127.0.0.1:9", TMPDIR=directory)  # nobody answers there
        demo = subprocess.run([SOURCE / "script/demo"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500)
        assert demo.returncode == 0, demo.stdout + demo.stderr
        assert demo.stdout.rstrip().endswith("#"), demo.stdout[-500:]
