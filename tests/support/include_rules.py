"""Who may know whom: reads every #include of the tree and lists the ones that look into a room they should not.
The rules are those of docs/architecture.md, "Who may know whom". Run by tests/api/test_include_rules.py, or by hand: include_rules.py [ROOT]
"""

from __future__ import annotations

import pathlib
import re
import sys

# Room → the rooms that it may include, besides itself. The longest matching name is a file's room.
ROOMS: dict[str, tuple[str, ...]] = {
    "framework/model": (),
    "framework/process": (),
    "framework/plugin": ("framework/model", "framework/process", "sdk/include"),
    "framework/libvirt": ("framework/model", "framework/process"),
    "framework/network": ("framework/model", "framework/process"),
    "framework/storage": ("framework/model", "framework/process"),
    "framework/store": ("framework/model", "framework/process"),
    "framework/service": ("framework/model", "framework/plugin", "framework/libvirt", "framework/network", "framework/storage", "framework/store"),
    "sdk/include": (),
    "sdk": ("sdk/include",),
    "sdk/tool": ("sdk/include", "sdk/conformance", "framework/plugin", "framework/model", "server/daemon"),  # it checks and tries plugins as the server does
    "sdk/conformance": ("sdk/include", "framework/plugin", "framework/libvirt", "framework/model"),  # what plugins plan, the server's rooms judge
    "plugins": ("sdk/include",),
    "server": ("framework/model",),  # problem.hpp: from our errors to HTTP's
    "server/edge": ("framework/service", "framework/model", "server"),
    "server/rest": ("framework/service", "framework/model", "server", "server/edge"),
    "server/openapi": ("framework/service", "framework/model", "server", "server/rest"),
    "server/daemon": ("framework", "server", "sdk/include"),
    "server/cli": (),
}
# The REST room speaks to the edge through two headers alone: the port, and what a request carries over it. velocity-plugin reads the server's configuration
# of plugins, and knows nothing else of it.
ONLY_HEADERS = {("server/rest", "server/edge"): ("server/edge/backend.hpp", "server/edge/forwarded.hpp"),
                ("sdk/tool", "server/daemon"): ("server/daemon/config.hpp", "server/daemon/plugin_settings.hpp")}

# One vendor, one room: how its headers begin → where they may be included.
VENDORS: dict[str, tuple[str, ...]] = {
    "boost/dll": ("framework/plugin",),
    "libvirt/": ("framework/libvirt",),
    "SQLiteCpp/": ("framework/store",),
    "sqlite3.h": ("framework/store",),
    "pistache/": ("server/rest",),
    "boost/beast": ("server/edge", "server/cli"),
    "boost/asio": ("server/edge", "server/cli"),
    "valijson/": ("framework/plugin",),
    "linux/rtnetlink.h": ("framework/network",),
    "linux/if_link.h": ("framework/network",),
    "archive": ("framework/storage",),
    "png.h": ("framework/libvirt",),
    "systemd/": ("server/daemon",),
}
ONE_FILE = ("valijson/",)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
SUFFIXES = {".c", ".h", ".cpp", ".hpp"}


def room_of(path: str) -> str | None:
    return max((room for room in ROOMS if path.startswith(room + "/")), key=len, default=None)


def may_know(room: str, path: str, header: str) -> bool:
    target = room_of(header)
    if target is None or target == room:
        # Each plugin is a room of its own.
        return room != "plugins" or header.split("/")[:2] == path.split("/")[:2]
    if not any(target == known or (known == "framework" and target.startswith("framework/"))
               or (room == "server/daemon" and target.startswith(known)) for known in ROOMS[room]):
        return False
    only = ONLY_HEADERS.get((room, target))
    return only is None or header in only


def faults_of(path: str, text: str) -> list[str]:
    """What is wrong with the includes of one file, named as in the tree."""
    room = room_of(path)
    if room is None:
        return []
    faults = []
    for mark, header in INCLUDE.findall(text):
        for vendor, rooms in VENDORS.items():
            if header.startswith(vendor) and room not in rooms:
                faults.append(f"{path}: <{header}> belongs to {' and '.join(rooms)}")
        if mark == '"' and "/" not in header and room != "sdk/include":
            faults.append(f'{path}: "{header}" is no address; write it from the root of the tree')
        if header.startswith("velocity/"):
            header = "sdk/include/" + header
        if header.startswith(("framework/", "server/", "plugins/", "sdk/")) and not may_know(room, path, header):
            faults.append(f"{path}: {room} may not know {header}")
    return faults


def faults_in(root: pathlib.Path) -> list[str]:
    faults: list[str] = []
    users: dict[str, list[str]] = {vendor: [] for vendor in ONE_FILE}
    for top in ("framework", "sdk", "plugins", "server"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SUFFIXES or not file.is_file():
                continue
            path, text = file.relative_to(root).as_posix(), file.read_text(errors="replace")
            faults += faults_of(path, text)
            for vendor, files in users.items():
                if any(header.startswith(vendor) for _, header in INCLUDE.findall(text)):
                    files.append(path)
    faults += [f"{vendor} is for one file and is included by {', '.join(files)}" for vendor, files in users.items() if len(files) > 1]
    return faults


if __name__ == "__main__":
    found = faults_in(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(found) or "every include is allowed")
    sys.exit(bool(found))
