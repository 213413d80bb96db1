"""The sessions in docs/types work as they stand: each ends with nothing left of what it made."""

import os
import re
import subprocess

import pytest

import velocity

KEY = "this is no key of any controller" "it only has the length of one..."
IMAGES = {"efi": {"IMAGE": "linux"}, "kboot": {"KERNEL": "linux-kernel", "INITRD": "linux-initrd"}, "mac": {"OPENCORE": "tiny"}}


def session(page: str) -> str:
    blocks = re.findall(r"<!-- session -->\n```sh\n(.*?)```", (velocity.SOURCE / "docs/types" / f"{page}.md").read_text(), re.DOTALL)
    assert len(blocks) >= 3
    return "".join(blocks)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("settings")
    key = home / "smc.key"
    key.write_text(KEY)
    key.chmod(0o600)
    (home / "velocity.toml").write_text(f'[plugins.configuration.mac]\nsmc_key_file = "{key}"\n')
    with velocity.Server("--accel", "tcg", "--config", str(home / "velocity.toml")) as server:
        yield server


@pytest.mark.parametrize("page", IMAGES)
def test_the_session_of_a_types_page_runs_as_it_stands(server, page):
    images = {name: str(velocity.guest(guest)) for name, guest in IMAGES[page].items()}
    environment = {**os.environ, **images, "VELOCITY_URL": server.url, "PASSWORD": velocity.ROOT_PASSWORD}
    done = subprocess.run(["bash", "-eu", "-c", session(page)], env=environment, capture_output=True, text=True, errors="replace", timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"state":"RUNNING"' in done.stdout.replace(" ", ""), done.stdout + done.stderr
    assert "code" not in done.stdout, done.stdout
    assert server.call("GET", "/v").expect(200).json["machines"] == []
    assert server.call("GET", "/r", kind="storage").expect(200).json["resources"] == []
