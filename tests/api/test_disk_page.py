"""What docs/types/disk-image.md tells people to type works as it stands."""

import os
import re
import subprocess

import velocity


def test_the_session_of_the_page_works(mock_server):
    text = (velocity.SOURCE / "docs/types/disk-image.md").read_text()
    blocks = re.findall(r"<!-- session -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 6
    (velocity.SOURCE / "build").mkdir(exist_ok=True)
    environment = {**os.environ, "VELOCITY_URL": mock_server.url, "PASSWORD": velocity.ROOT_PASSWORD}
    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", "".join(blocks)], cwd=velocity.SOURCE, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"size_mb":20' in done.stdout.replace(" ", "") and done.stdout.count("resource.in_use") == 1, done.stdout
    assert mock_server.call("GET", "/r").expect(200).json["resources"] == []
