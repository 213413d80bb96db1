"""A server under strace, with all that it starts: what the hypervisor, the guests' QEMU and the sandboxed qemu-img ask of the file system and the
network is written down, and can be searched for names that nobody has any business with. Used by tests of what must not be touched.
"""

from __future__ import annotations

import pathlib
import re
import shlex

import velocity

# Every call that takes a path, and every one that connects. What is received and sent may well name something: it is not shown. The filter runs in the kernel, so other calls cost nothing.
STRACE = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "4096", "-e", "trace=%file,connect", "-e", "signal=none"]


def traced(output: pathlib.Path, command: list[str]) -> list[str]:
    """The command under strace, which is its grandchild: the process that is started is the program."""
    return [*STRACE, "-D", "-o", str(output), "--", *command]


class Trace:
    """The lines of a trace that speak of any of these names (regular expressions)."""

    def __init__(self, file: pathlib.Path, names: list[str]):
        self.file, self._pattern, self._position = file, re.compile("|".join(names)), 0

    def news(self) -> list[str]:
        """Those that came since the last question. Only whole lines are looked at."""
        with open(self.file, "rb") as trace:
            trace.seek(self._position)
            text = trace.read()
        whole = text.rpartition(b"\n")[0] + b"\n" if b"\n" in text else b""
        self._position += len(whole)
        return [line for line in whole.decode(errors="replace").splitlines() if self._pattern.search(line)]


class TracedServer(velocity.Server):
    """Before it becomes the server, the process looks at `control`: the trace must show it."""

    def __init__(self, *options: str, control: pathlib.Path, **more):
        super().__init__(*options, **more)
        self.trace_file, self.control = self.home / "trace", control
        self.environment["VELOCITY_DETECT_LEAKS"] = "0"  # the leak checker and strace cannot both watch a process

    def command(self) -> list[str]:
        look = f"cat {shlex.quote(str(self.control))} > /dev/null; exec {shlex.join(super().command())}"
        return traced(self.trace_file, ["sh", "-c", look])
