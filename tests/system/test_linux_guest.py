"""Debian's own kernel as an EFI machine: it boots to a prompt and stops when it is asked to."""

import velocity


def test_debians_kernel_boots_and_is_stopped_gracefully(real_server):
    server = real_server
    stid = server.upload(velocity.guest("linux"), "linux")
    vmid = server.machine("linux", server.catalog("linux"), [stid], memory_size_mb=256)
    server.change(vmid, "RUNNING").expect(200)
    console = server.await_text(vmid, "velocity-guest:/# ", 240)
    assert "Linux 6." in console and "does not load" not in console
    answer = server.change(vmid, "STOPPED", wait=60).expect(200)
    assert answer.json["state"] == "STOPPED"
    assert "reboot: Power down" in server.console(vmid)
