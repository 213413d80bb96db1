"""Images that point outside themselves, and a watch on what they point at. Used by the tests that no operation is led astray by one."""

from __future__ import annotations

import ctypes
import os
import pathlib
import socket
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
IN_ACCESS, IN_MODIFY, IN_ATTRIB, IN_OPEN = 1, 2, 4, 0x20
FAN_CLOEXEC, FAN_NONBLOCK, FAN_MARK_ADD, FAN_ONDIR, AT_FDCWD = 1, 2, 1, 0x40000000, -100
FAN_EVENT = struct.Struct("IBBHQii")  # struct fanotify_event_metadata
LIBC.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]
MIB = 1 << 20


class Victims:
    """A file (a good qcow2 image, so that who opens it reads on), a directory, and two sockets that somebody could connect to.

    The kernel tells of whoever opens, reads or changes one of them, by whatever name and in whatever namespace: inotify always, and fanotify, which
    also knows who it was, for root.
    """

    def __init__(self, directory: pathlib.Path):
        self.file, self.directory, self.unix = directory / "victim-file", directory / "victim-directory", directory / "victim-file.sock"
        self.file.write_bytes(qcow2())
        self.directory.mkdir()
        (self.directory / "inside").write_bytes(b"secret")
        self.unix_socket = socket.socket(socket.AF_UNIX)
        self.unix_socket.bind(str(self.unix))
        self.tcp_socket = socket.socket()
        self.tcp_socket.bind(("127.0.0.1", 0))
        for listening in (self.unix_socket, self.tcp_socket):
            listening.listen()
            listening.setblocking(False)
        self.port = self.tcp_socket.getsockname()[1]
        self._inotify = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for watched in (self.file, self.directory, self.directory / "inside", self.unix):
            assert LIBC.inotify_add_watch(self._inotify, str(watched).encode(), IN_ACCESS | IN_MODIFY | IN_ATTRIB | IN_OPEN) >= 0
        self._fanotify = LIBC.fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK, os.O_RDONLY)
        assert self._fanotify >= 0 or os.geteuid() != 0
        for watched in (self.file, self.directory, self.directory / "inside") if self._fanotify >= 0 else ():
            mask = IN_ACCESS | IN_MODIFY | IN_OPEN | (FAN_ONDIR if watched.is_dir() else 0)
            assert LIBC.fanotify_mark(self._fanotify, FAN_MARK_ADD, mask, AT_FDCWD, str(watched).encode()) == 0
        self._before = self._state()

    def _who(self) -> list[str]:
        """The programs that fanotify names."""
        names = []
        try:
            events = os.read(self._fanotify, 65536) if self._fanotify >= 0 else b""
        except BlockingIOError:
            events = b""
        while events:
            length, _, _, _, _, file, pid = FAN_EVENT.unpack_from(events)
            events = events[length:]
            os.close(file)
            try:
                names.append(pathlib.Path(f"/proc/{pid}/comm").read_text().strip())
            except OSError:
                names.append(f"process {pid}, which has ended")
        return names

    def _state(self):
        watched = (self.file, self.directory, self.directory / "inside", self.unix)
        return [(now.st_ino, now.st_uid, now.st_gid, now.st_mode, now.st_size, now.st_atime_ns, now.st_mtime_ns, now.st_ctime_ns)
                for now in (os.stat(path) for path in watched)]

    def touched(self) -> str:
        """What has happened to them since the last question; nothing is the empty text."""
        told = [f"opened or changed by {name}" for name in self._who()]
        try:
            told.append(f"files: {os.read(self._inotify, 65536)!r}")
        except BlockingIOError:
            pass
        for name, listening in (("unix", self.unix_socket), ("tcp", self.tcp_socket)):
            try:
                listening.accept()[0].close()
                told.append(f"{name} socket: connected to")
            except BlockingIOError:
                pass
        if self._state() != self._before:
            told.append("owner, mode, size or a time changed")
        return "; ".join(told)

    def close(self):
        os.close(self._inotify)
        if self._fanotify >= 0:
            os.close(self._fanotify)
        self.unix_socket.close()
        self.tcp_socket.close()


def qcow2(backing: bytes = b"", version: int = 3, incompatible: int = 0, autoclear: int = 0, crypt: int = 0, extensions: bytes = b"") -> bytes:
    """An image of 1 MiB with nothing in it, but for what it points at."""
    cluster = 1 << 16
    header = bytearray(4 * cluster)
    length = 104 if version == 3 else 72
    at = length + len(extensions) + 8 if backing else 0
    struct.pack_into(">4sIQIIQIIQQIIQ", header, 0, b"QFI\xfb", version, at, len(backing), 16, MIB, crypt, 1, 3 * cluster, cluster, 1, 0, 0)
    if version == 3:
        struct.pack_into(">QQQII", header, 72, incompatible, 0, autoclear, 4, length)
    header[length:length + len(extensions)] = extensions
    if backing:
        header[at:at + len(backing)] = backing
    struct.pack_into(">Q", header, cluster, 2 * cluster)
    struct.pack_into(">4H", header, 2 * cluster, 1, 1, 1, 1)
    return bytes(header)


def extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">II", kind, len(data)) + data.ljust((len(data) + 7) // 8 * 8, b"\0")


def padded(*parts: tuple[int, bytes]) -> bytes:
    image = bytearray(MIB)
    for at, data in parts:
        image[at:at + len(data)] = data
    return bytes(image)


def vmdk_sparse(descriptor: bytes) -> bytes:
    header = struct.pack("<4sIIQQQQIQQQ?4s", b"KDMV", 1, 3, 2048, 128, 1, 20, 512, 21, 30, 128, False, b"\n \r\n")
    return padded((0, header), (512, descriptor))


def vmdk_text(extent: str, hint: str = "", create: str = "monolithicFlat") -> bytes:
    parent = f'parentCID=12345678\nparentFileNameHint="{hint}"\n' if hint else "parentCID=ffffffff\n"
    return f'# Disk DescriptorFile\nversion=1\nCID=fffffffe\n{parent}createType="{create}"\n{extent}\nddb.adapterType = "ide"\n'.encode()


def vhd(kind: int, parent: bytes = b"") -> bytes:
    footer = struct.pack(">8sIIQIIIIQQ4sII16sB", b"conectix", 2, 0x10000, 512, 0, 0x76706320, 0x10000, 0, MIB, MIB, b"\0\x20\4\x11", kind, 0, b"u" * 16, 0).ljust(512, b"\0")
    header = struct.pack(">8sQQIII16sI4x", b"cxsparse", (1 << 64) - 1, 1536, 0x10000, 1, 1 << 21, b"p" * 16, 0) + parent.decode().encode("utf-16-be")
    return padded((0, footer), (512, header[:1024]), (MIB - 512, footer))


def qed(backing: bytes) -> bytes:
    return padded((0, struct.pack("<4sIIIQQQQQII", b"QED\0", 1 << 16, 4, 1, 1, 0, 0, 1 << 16, MIB, 72, len(backing))), (72, backing))


def qcow1(backing: bytes) -> bytes:
    return padded((0, struct.pack(">4sIQIIQBBHIQ", b"QFI\xfb", 1, 48, len(backing), 0, MIB, 12, 9, 0, 0, 4096)), (48, backing))


def corpus(victims: Victims) -> dict[str, bytes]:
    file, directory, unix, port = str(victims.file), str(victims.directory), str(victims.unix), victims.port
    names = {
        "a file": file,
        "a file in other words": f"{directory}/../victim-file",
        "a file by its address": f"file:{file}",
        "a file as json": f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{file}"}}}}',
        "a file as qcow2 in json": f'json:{{"driver":"qcow2","file.driver":"file","file.filename":"{file}"}}',
        "a file for writing in json": f'json:{{"driver":"raw","read-only":false,"file":{{"driver":"file","filename":"{file}","locking":"off"}}}}',
        "a host device in json": f'json:{{"driver":"host_device","filename":"{file}"}}',
        "a directory as a disk": f"fat:rw:{directory}",
        "a directory in json": f'json:{{"driver":"vvfat","dir":"{directory}","rw":true}}',
        "a socket": f"nbd:unix:{unix}",
        "a socket by its address": f"nbd+unix:///x?socket={unix}",
        "a socket in json": f'json:{{"driver":"nbd","server":{{"type":"unix","path":"{unix}"}}}}',
        "a port": f"nbd:127.0.0.1:{port}",
        "a port by its address": f"nbd://127.0.0.1:{port}/x",
        "a port by http": f"http://127.0.0.1:{port}/x",
        "a port by ftp": f"ftp://127.0.0.1:{port}/x",
        "a port by ssh": f"ssh://root@127.0.0.1:{port}/x",
        "a port by iscsi": f"iscsi://127.0.0.1:{port}/iqn.x/1",
        "a verified write": f"blkverify:{file}:{file}",
        "a log": f"blkdebug:{file}:{file}",
    }
    images = {f"qcow2 over {what}": qcow2(name.encode()) for what, name in names.items()}
    images |= {f"old qcow2 over {what}": qcow2(names[what].encode(), 2) for what in ("a file", "a file as json", "a socket", "a port")}
    images |= {f"qcow2 with its data in {what}": qcow2(incompatible=4, extensions=extension(0x44415441, names[what].encode()))
               for what in ("a file", "a file as json", "a socket", "a port", "a directory as a disk")}
    images |= {
        "qcow2 with raw data in a file": qcow2(incompatible=4, autoclear=2, extensions=extension(0x44415441, file.encode())),
        "qcow2 with a data file's name and no bit": qcow2(extensions=extension(0x44415441, file.encode())),
        "qcow2 over a file, of a format": qcow2(file.encode(), extensions=extension(0xe2792aca, b"raw")),
        "qcow2 over a file, for any format": qcow2(file.encode(), extensions=extension(0xe2792aca, b"vmdk")),
        "qcow2 with data and base outside": qcow2(file.encode(), incompatible=4, extensions=extension(0x44415441, file.encode())),
        "encrypted qcow2": qcow2(crypt=2, extensions=extension(0x0537be77, struct.pack(">QQ", 1 << 16, 4096))),
        "vmdk text with an extent": vmdk_text(f'RW 2048 FLAT "{file}" 0').ljust(MIB, b"\0"),
        "vmdk text with a device": vmdk_text(f'RW 2048 VMFSRDM "{file}"', create="vmfsRawDeviceMap").ljust(MIB, b"\0"),
        "vmdk text over a base": vmdk_text(f'RW 2048 SPARSE "{file}"', file).ljust(MIB, b"\0"),
        "vmdk over a base": vmdk_sparse(vmdk_text('RW 2048 SPARSE "x.vmdk"', file)),
        "vmdk over a port": vmdk_sparse(vmdk_text('RW 2048 SPARSE "x.vmdk"', f"nbd:127.0.0.1:{port}")),
        "qed over a file": qed(file.encode()),
        "qed over a port": qed(f"nbd:127.0.0.1:{port}".encode()),
        "old qcow over a file": qcow1(file.encode()),
        "vhd over a file": vhd(4, file.encode()),
        "fixed vhd": vhd(2),
        "vhdx": padded((0, b"vhdxfile"), (1 << 16, b"head"), (3 << 16, b"regi"), (4 << 16, file.encode("utf-16-le"))),
        "vdi": padded((0, b"<<< Oracle VM VirtualBox Disk Image >>>\n"), (0x40, struct.pack("<II", 0xbeda107f, 0x10001)), (0x1a8, file.encode())),
        "parallels": padded((0, struct.pack("<16sIIIIIQ", b"WithouFreSpacExt", 2, 16, 16, 63, 1, 2048))),
        "a loop that mounts": padded((0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n")),
        "luks": padded((0, b"LUKS\xba\xbe\0\1aes\0")),
        "qcow2 in a CD": padded((0, qcow2(file.encode())[:4096]), (16 * 2048, b"\1CD001\1"), (17 * 2048, b"\xffCD001\1")),
    }
    return images
