"""Thousands of requests that somebody broke, through the whole server: edge, Pistache, guard, routes. It answers, goes on, and blames itself for none."""

import random
import socket

import velocity

REQUESTS = 4000
PIECES = [b"\r\n", b"\r\n\r\n", b":", b" ", b"%00", b"..", b"//", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\x00", b"\xff\xfe",
          b"A" * 3000, b'{"a":', b"[" * 40, b'"', b"&authkey=x", b"?vmid=", b"/" * 70]


def message(method: str, path: str, body: str = "", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def corpus(key: str, cid: str, vmid: str) -> list[bytes]:
    bearer = f"Authorization: Bearer {key}"
    return [
        message("GET", f"/v?catalog={cid}&state=STOPPED&limit=10", "", bearer),
        message("GET", "/v/state", f'{{"authkey":"{key}","vmid":"{vmid}"}}'),
        message("POST", "/v/state", f'{{"authkey":"{key}","vmid":"{vmid}","state":"PAUSED"}}'),
        message("PUT", "/c", f'{{"authkey":"{key}","group":0,"label":"x"}}', "Content-Type: application/x-www-form-urlencoded"),
        message("POST", "/c/share", f'{{"authkey":"{key}","cid":"{cid}","gid":1,"view":true}}'),
        message("PUT", "/v/efi", f'{{"authkey":"{key}","name":"n","catalog":"{cid}","cpu_count":"1","memory_size_mb":64,"displays":[{{"width":"800"}}]}}'),
        message("PUT", "/r/disk-image", f'{{"authkey":"{key}","group":0,"label":"d","size_mb":0}}'),
        message("POST", "/r/upload", "", bearer, "Tus-Resumable: 1.0.0", "Upload-Length: 100", "Upload-Metadata: group MA==,label eA==,format cmF3"),
        message("DELETE", "/u/auth", "authkey=abc", "Content-Type: application/x-www-form-urlencoded"),
        message("GET", "/u/group/list", "", bearer) * 3,
    ]


def mutated(source: random.Random, examples: list[bytes]) -> bytes:
    text = bytearray(source.choice(examples))
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(text))
        match source.randrange(5):
            case 0: text[at] = source.randrange(256)
            case 1: del text[at:at + source.randint(1, 8)]
            case 2: text[at:at] = source.choice(PIECES)
            case 3: text[at:at] = text[source.randrange(len(text)):][:40]
            case _: text[at] = text[source.randrange(len(text))]
        text = text or bytearray(b"G")
    return bytes(text)


def answer_to(port: int, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        received = b""
        try:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except ConnectionError:  # it hung up on the rest
            pass
        return received


def test_broken_requests_are_answered_and_never_the_servers_fault():
    with velocity.Server(hypervisor="test:///default") as server:
        cid = server.catalog("mutations")
        examples = corpus(server.root_key(), cid, server.machine("m", cid))
        port = int(server.url.rsplit(":", 1)[1])
        source = random.Random(20260701)
        answered = 0
        for number in range(REQUESTS):
            text = mutated(source, examples)
            received = answer_to(port, text)
            assert not received or received.startswith(b"HTTP/1.1 "), (number, text, received[:200])
            statuses = [line.split()[1] for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
            assert not [status for status in statuses if status in (b"500", b"502", b"504")], (number, text, received[:500])
            answered += bool(statuses)
        assert answered > REQUESTS * 0.6, f"only {answered} were answered"
        server.call("GET", "/healthz").expect(200)
