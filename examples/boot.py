#!/usr/bin/env python3
"""Boots a disk image: uploads it piece by piece, makes an EFI machine of it, and follows its serial port.

    VELOCITY_PASSWORD=… examples/boot.py http://127.0.0.1:4567 root disk.img

Only Python's own library is used; take from it what your program needs.
"""

import base64
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

PIECE = 8 << 20  # bytes sent at once


class Server:
    def __init__(self, url, username, password):
        self.url = url.rstrip("/")
        self.authkey = None
        self.authkey = self.call("POST", "/u/auth", username=username, password=password)["authkey"]

    def send(self, method, path, body=b"", **headers):
        """One request; the answer's headers and body. A refusal is raised with its code and message."""
        headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        if self.authkey:
            headers["Authorization"] = f"Bearer {self.authkey}"
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as refusal:
            problem = json.loads(refusal.read() or b"{}")
            raise SystemExit(f"{method} {path}: {refusal.code} {problem.get('code')}: {problem.get('message')}") from None

    def call(self, method, path, **fields):
        _, body = self.send(method, path, json.dumps(fields).encode(), Content_Type="application/json")
        return json.loads(body) if body else None

    def upload(self, image, label, group=0, format="raw"):
        """Sends a file by tus, https://tus.io, and answers the id of the disk that it became."""
        metadata = ",".join(f"{name} {base64.b64encode(str(value).encode()).decode()}"
                            for name, value in (("group", group), ("label", label), ("format", format)))
        headers, _ = self.send("POST", "/r/upload", Tus_Resumable="1.0.0", Upload_Length=image.stat().st_size, Upload_Metadata=metadata)
        location = headers["Location"]
        with open(image, "rb") as file:
            while True:
                offset = int(self.send("HEAD", location, Tus_Resumable="1.0.0")[0]["Upload-Offset"])
                file.seek(offset)
                headers, _ = self.send("PATCH", location, file.read(PIECE), Tus_Resumable="1.0.0", Upload_Offset=offset,
                                       Content_Type="application/offset+octet-stream")
                if "Velocity-Resource" in headers:
                    return headers["Velocity-Resource"]


def main():
    url, username, image = sys.argv[1:]
    server = Server(url, username, os.environ["VELOCITY_PASSWORD"])
    name = f"{pathlib.Path(image).stem} {time.strftime('%H:%M:%S')}"
    disk = server.upload(pathlib.Path(image), name)
    catalog = server.call("PUT", "/c", group=0, label=name)["cid"]
    vmid = server.call("PUT", "/v/efi", name=name, catalog=catalog, cpu_count=1, memory_size_mb=256, storage_devices=[disk])["vmid"]
    print(f"machine {vmid}: {server.call('POST', '/v/state', vmid=vmid, state='RUNNING')['state']}", flush=True)
    shown = 0
    while server.call("GET", "/v/state", vmid=vmid)["state"] != "STOPPED":
        _, log = server.send("GET", f"/v/log?vmid={vmid}")
        sys.stdout.write(log[shown:].decode(errors="replace"))
        sys.stdout.flush()
        shown = len(log)
        time.sleep(0.5)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
