"""A libvirtd that stops answering without going away: what needs it is told so, and what does not goes on."""

import concurrent.futures
import os
import signal
import time

import libvirtd
import pytest

import velocity
from velocity import eventually

pytestmark = pytest.mark.skipif(bool(libvirtd.why_impossible()), reason=libvirtd.why_impossible())


def test_many_calls_to_a_hypervisor_that_hangs_keep_no_read_waiting():
    with libvirtd.Libvirtd() as daemon, velocity.Server("--accel", "tcg", hypervisor=daemon.uri) as server:
        catalog = server.catalog("hanging")
        vmids = [server.machine(f"machine {i}", catalog) for i in range(30)]
        key = server.root_key()

        def start(vmid):
            return server.curl("POST", "/v/state", {"authkey": key, "vmid": vmid, "state": "RUNNING"})

        with concurrent.futures.ThreadPoolExecutor(len(vmids)) as clients:
            os.killpg(daemon.process.pid, signal.SIGSTOP)
            try:
                starts = [clients.submit(start, vmid) for vmid in vmids]
                time.sleep(2)  # until they are where they wait
                for vmid in vmids:
                    assert server.call("GET", "/v/state", vmid=vmid).expect(200).json["state"] in ("STOPPED", "STARTING")
                assert not any(answer.done() for answer in starts)
                answers = [answer.result() for answer in starts]
            finally:
                os.killpg(daemon.process.pid, signal.SIGCONT)
        codes = [answer.expect(503).json["code"] for answer in answers]
        assert set(codes) <= {"hypervisor.unavailable", "hypervisor.timeout"}
        assert codes.count("hypervisor.timeout") < 16  # no more than there are threads for the hypervisor: the others were sent away
        assert all({name.lower() for name in answer.headers} >= {"retry-after"} for answer in answers)
        eventually(lambda: server.change(vmids[-1], "RUNNING").status in (200, 208), 60, what="a start when it answers again")
        for vmid in vmids:
            eventually(lambda vmid=vmid: server.change(vmid, "STOPPED", force=True).status in (200, 208), 60, what="the end of a guest")
