"""An author's first hour: the headers, the CMake package, pkg-config, a new project. Nothing of it but what is installed."""

import json
import re
import shlex

import pytest

import sdk as outside
import velocity


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    return outside.Sdk(tmp_path_factory.mktemp("sdk"))


def headers(sdk):
    return sorted(path.name for path in (sdk.prefix / "include/velocity").iterdir())


def test_each_public_header_compiles_alone(sdk):
    assert "abi.h" in headers(sdk) and "plugin.hpp" in headers(sdk)
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", sdk.prefix / "include", "-c", "-o", "/dev/null"]
    for name in headers(sdk):
        source = sdk.work / "alone.c"
        source.write_text(f"#include <velocity/{name}>\nint alone;\n")
        if name.endswith(".h"):
            sdk.run("gcc", "-std=c99", *strict, source)
        sdk.run("g++", "-x", "c++", "-std=c++20", *strict, source)


def test_the_contract_needs_no_other_header(sdk):
    source = sdk.work / "alone.c"
    source.write_text("#include <velocity/abi.h>\n")
    used = sdk.run("gcc", "-std=c99", "-M", "-I", sdk.prefix / "include", source)
    assert "velocity/abi.h" in used and "nlohmann" not in used and "boost" not in used


def test_authors_need_neither_boost_nor_libvirt(sdk):
    source = sdk.work / "all.cpp"
    source.write_text("".join(f"#include <velocity/{name}>\n" for name in headers(sdk)))
    used = sdk.run("g++", "-std=c++20", "-M", "-I", sdk.prefix / "include", source)
    assert "boost" not in used and "libvirt" not in used and "nlohmann" in used


def test_pkg_config_finds_it(sdk):
    (file,) = sdk.prefix.rglob("velocity-sdk.pc")
    sdk.environment["PKG_CONFIG_PATH"] = str(file.parent)
    flags = sdk.run("pkg-config", "--cflags", "velocity-sdk >= 1.0").split()
    assert (outside.pathlib.Path(flags[0].removeprefix("-I")) / "velocity/abi.h").exists()
    plugins = sdk.run("pkg-config", "--variable=plugindir", "velocity-sdk").strip()
    assert outside.pathlib.Path(plugins).resolve().relative_to(sdk.prefix.resolve()).name == "plugins"
    outside.run("pkg-config", "--exists", "velocity-sdk >= 2.0", environment=sdk.environment, expect=1)


def test_a_version_that_is_not_there_is_not_found(sdk):
    project = sdk.work / "later"
    project.mkdir()
    (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.20)\nproject(later LANGUAGES C)\nfind_package(VelocitySDK 2.0 REQUIRED)\n")
    assert "2.0" in sdk.run("cmake", "-S", project, "-B", project / "build", expect=1)


@pytest.mark.parametrize("wrong, why", [("PROVIDES vm/a SOURCES a.c", "LICENSE is missing"), ("PROVIDES vm/A SOURCES a.c LICENSE MIT", "PROVIDES takes"),
                                        ("PROVIDES vm/a SOURCES a.c LICENSE MIT MINOR 3", "not understood")])
def test_what_is_declared_wrongly_is_told(sdk, wrong, why):
    project = sdk.work / f"wrong{len(list(sdk.work.iterdir()))}"
    project.mkdir()
    (project / "a.c").write_text("int a;\n")
    (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.20)\nproject(a VERSION 1 LANGUAGES C)\nfind_package(VelocitySDK 1.0 REQUIRED)\n"
                                            f"velocity_add_plugin(a {wrong})\n")
    assert why in sdk.run("cmake", "-S", project, "-B", project / "build", expect=1)


@pytest.mark.parametrize("kind", ["vm", "resource"])
def test_a_new_project_builds_passes_and_is_explained(sdk, kind):
    name = f"first-{kind}"
    sdk.run("velocity-plugin", "new", kind, name, where=sdk.work)
    project = sdk.work / name
    assert {path.name for path in project.iterdir()} == {"CMakeLists.txt", "README.md", f"first_{kind}.cpp"}
    assert "@" not in (project / "CMakeLists.txt").read_text()
    sdk.run("cmake", "-B", "build", where=project)
    sdk.run("cmake", "--build", "build", where=project)
    sdk.run("ctest", "--test-dir", "build", "--output-on-failure", where=project)
    plugin = project / f"build/{name}.so"
    shown = json.loads(sdk.run("velocity-plugin", "inspect", "--json", plugin))
    assert (shown["result"], shown["provides"], shown["abi"]) == ("sound", [f"{kind}/{name}"], {"major": 1, "minor": 0})
    assert f"brings:   {kind}/{name}" in sdk.run("velocity-plugin", "probe", plugin)
    if kind == "vm":
        verdicts = {check["check"]: check["verdict"] for check in sdk.test(plugin, "--boot", "--expect", "SeaBIOS")["checks"]}
        assert verdicts["L3.boots"] == "passed"
        assert f"velocity-plugin test --boot --expect SeaBIOS build/{name}.so" in (project / "README.md").read_text()
    # Not twice over the same, and not by a name that is no label.
    assert "is there already" in sdk.run("velocity-plugin", "new", kind, name, where=sdk.work, expect=2)
    assert "lower-case" in sdk.run("velocity-plugin", "new", kind, "../Upwards", where=sdk.work, expect=2)
    assert not (sdk.work.parent / "Upwards").exists()


def test_a_useful_type_has_less_than_sixty_lines():
    for kind in ("vm", "resource"):
        lines = (velocity.SOURCE / f"sdk/template/{kind}/source.cpp").read_text().splitlines()
        assert len([line for line in lines if line.strip() and not line.strip().startswith("//")]) < 60


def test_the_guide_leads_from_nothing_to_a_booting_type(sdk, own_server):
    """Every command of docs/plugin-authors.md's first section, as it stands."""
    text = (velocity.SOURCE / "docs/plugin-authors.md").read_text()
    blocks = re.findall(r"<!-- from nothing -->\n```sh\n(.*?)```", text, re.DOTALL)
    (served,) = re.findall(r"<!-- server -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3 and len(blocks) + 1 == text.split("## The same by hand")[0].count("```sh\n")
    where = sdk.work / "guide"
    where.mkdir()
    sdk.run("bash", "-euc", "".join(blocks[:2]), where=where)

    project = where / "hello"
    program, *options = [part.replace("$PWD", str(project)) for part in shlex.split(served)]
    given = dict(zip(options[::2], options[1::2]))
    assert program == "velocityd" and set(given) == {"--state", "--listen", "--plugins"} and given["--listen"] == "127.0.0.1:4567"
    server = own_server("--plugins", given["--plugins"], "--accel", "tcg")
    sdk.environment |= {"VELOCITY_URL": server.url, "PASSWORD": server.root_password}
    assert "SeaBIOS" in sdk.run("timeout", "120", "bash", "-euc", blocks[2], where=project)
