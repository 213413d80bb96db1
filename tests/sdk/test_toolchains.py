"""The contract holds whatever a plugin is compiled with: one plugin, built by every compiler and standard library of Debian 12, and with the headers
of every released version of the SDK, all in one server."""

import concurrent.futures
import json
import shutil

import pytest

import sdk as outside
import velocity

COMPILERS = {
    "gcc": ["-DCMAKE_C_COMPILER=gcc-12", "-DCMAKE_CXX_COMPILER=g++-12"],
    "gcc-old": ["-DCMAKE_C_COMPILER=gcc-11", "-DCMAKE_CXX_COMPILER=g++-11"],
    "clang": ["-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"],
    "clang-libcxx": ["-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++", "-DCMAKE_CXX_FLAGS=-stdlib=libc++"],
    "old-strings": ["-DCMAKE_CXX_FLAGS=-D_GLIBCXX_USE_CXX11_ABI=0"],
}
FROZEN = {f"headers-{path.name.replace('.', '-')}": [f"-DHEADERS={path / 'include'}"] for path in sorted((velocity.SOURCE / "sdk/abi").glob("*.*")) if path.is_dir()}


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    return outside.Sdk(tmp_path_factory.mktemp("sdk"))


@pytest.fixture(scope="module")
def plugins(sdk):
    """One directory with all of them."""
    directory = sdk.work / "plugins"
    directory.mkdir()

    def build(name, options):
        build = sdk.work / name
        sdk.run("cmake", "-S", velocity.SOURCE / "tests/sdk/sample", "-B", build, f"-DNAME={name}", "-DCMAKE_BUILD_TYPE=Release", *options)
        sdk.run("cmake", "--build", build)
        for plugin in build.glob("*.so"):
            shutil.copy2(plugin, directory)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(build, name, options) for name, options in (COMPILERS | FROZEN).items()]:
            done.result()
    return directory


@pytest.fixture(scope="module")
def server(plugins):
    with velocity.Server("--plugins", str(plugins), hypervisor="test:///default") as server:
        yield server


NAMES = [f"sample-{language}-{name}" for name in COMPILERS | FROZEN for language in ("c", "cpp")]


def test_the_headers_that_were_released_are_among_them():
    assert "headers-1-0" in FROZEN


def test_libcxx_is_really_another_library(plugins):
    needed = outside.run("readelf", "-d", plugins / "sample-cpp-clang-libcxx.so")
    assert "libc++.so.1" in needed and "libstdc++" not in needed
    strings = outside.run("readelf", "--wide", "--dyn-syms", plugins / "sample-cpp-old-strings.so")
    assert "_ZNSs" in strings, "it uses no string of the old ABI"


def test_all_run_in_one_server(server):
    listed = server.call("GET", "/plugins").expect(200).json["plugins"]
    assert {(entry["name"], entry["status"]) for entry in listed} == {(name, "loaded") for name in NAMES}, listed
    assert {entry["type"] for entry in server.call("GET", "/v/types").expect(200).json["types"]} == set(NAMES)
    catalog = server.catalog("samples")
    for name in NAMES:
        more = {"chipset": "classic", "words": ["a", "b"]} if "-cpp-" in name else {}
        vmid = server.machine(name, catalog, type=name, **more)
        server.change(vmid, "RUNNING").expect(200)
        assert server.state(vmid) == "RUNNING"


@pytest.mark.parametrize("name", [name for name in NAMES if "-cpp-" in name])
def test_exceptions_stay_inside(server, name):
    make = dict(name="x", cpu_count=1, memory_size_mb=64, catalog=server.catalog(name))
    refused = server.call("PUT", f"/v/{name}", make, words=["a", "a", "throw"]).expect(400).json
    assert refused["problems"] == [{"path": "/words/1", "message": "stands there twice"}, {"path": "/words", "message": "thrown and caught inside"}]
    assert server.call("PUT", f"/v/{name}", make, words=["fail"]).expect(500).json["code"] == "plugin.failed"
    assert "thrown through the layer" in server.log


@pytest.mark.parametrize("name", NAMES)
def test_each_passes_the_conformance_suite(sdk, plugins, name):
    said = sdk.test(plugins / f"{name}.so")
    assert said["result"] == "passed", json.dumps(said, indent=1)
