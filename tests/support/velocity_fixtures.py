"""The fixtures of all Python tests; tests/conftest.py brings them in."""

import pytest

import libvirtd
import velocity
from world import People, World


@pytest.fixture(scope="module")
def mock_server():
    """A server over libvirt's test driver: quick, with no real guests. Shared by the tests of one file: use names of your own."""
    with velocity.Server(hypervisor="test:///default") as server:
        yield server


@pytest.fixture(scope="module")
def real_server():
    """A server with real guests. Shared by the tests of one file."""
    with libvirtd.real_server() as server:
        yield server


@pytest.fixture
def own_server():
    """Makes servers that no other test shares; all are closed, and checked, at the end."""
    servers = []

    def make(*options, **more) -> velocity.Server:
        servers.append(velocity.Server(*options, **more))
        return servers[-1].start()

    yield make
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def covered(request):
    """Holds a test to what it says to cover, beyond the tables: @pytest.mark.covers("PUT /v/clone 503", …)."""
    velocity.seen.clear()
    yield
    said = {case for mark in request.node.iter_markers("covers") for case in mark.args}
    assert said <= {" ".join(map(str, case)) for case in velocity.seen}


@pytest.fixture(scope="module")
def people(mock_server):
    return People(mock_server)


@pytest.fixture
def world(mock_server, people):
    return World(mock_server, people)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the log of every running server under a test that failed."""
    report = (yield).get_result()
    if report.failed:
        for server in list(velocity.Server.alive):
            report.sections.append((f"log of velocityd in {server.state_directory}", server.log[-6000:]))
