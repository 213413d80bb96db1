"""The conformance suite: our own plugins pass it, and plugins that go wrong fail it at the right place."""

import json

import pytest

import sdk as outside
import velocity


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    return outside.Sdk(tmp_path_factory.mktemp("sdk"))


@pytest.mark.parametrize("plugin", sorted(path.stem for path in (velocity.BUILD / "plugins").glob("*.so")))
def test_the_servers_own_plugins_pass(sdk, plugin, tmp_path):
    key = tmp_path / "smc.key"
    key.write_text("this is no key of any controller" "it only has the length of one...")
    key.chmod(0o600)
    options = []
    if plugin == "mac":
        options = ["--settings", json.dumps({"smc_key_file": str(key)}), "--resource", f"bootloader={velocity.guest('tiny')}"]
    if plugin == "kboot":
        options = ["--resource", f"kernel={velocity.guest('linux-kernel')}", "--resource", f"initrd={velocity.guest('linux-initrd')}"]
    said = sdk.test(velocity.BUILD / f"plugins/{plugin}.so", *options)
    levels = {check["check"][:2] for check in said["checks"]}
    assert said["result"] == "passed" and levels == {"L0", "L1", "L2", "L3"}
    for check in said["checks"]:
        if check["verdict"] == "skipped":
            assert check["why"], check


# The way in which tests/sdk/odd goes wrong, and the check that says so.
ODD = {
    "thread": "L0.calm",
    "printing": "L0.calm",
    "process": "L0.calm",
    "file": "L0.calm",
    "slow": "L0.calm",
    "bad-example": "L0.loads",
    "unknown-keyword": "L0.loads",
    "changing-title": "L1.describe-stable",
    "no-example": "L1.examples-valid",
    "throws": "L1.examples-valid",
    "open": "L1.fields-known",
    "never-done": "L1.validate-idempotent",
    "dies-of-nonsense": "L1.senseless-requests",
    "dies-of-long-texts": "L1.no-memory",
    "random": "L1.parallel-calls",
    "injected": "L2.markup",
    "forbidden": "L2.fragments",
    "too-long-a-menu": "L3.defines",
}


@pytest.fixture(scope="module")
def odd(sdk):
    build = sdk.work / "odd"
    sdk.run("cmake", "-S", velocity.SOURCE / "tests/sdk/odd", "-B", build, f"-DMINIMAL={velocity.SOURCE / 'tests/plugin/bad/minimal.c'}")
    sdk.run("cmake", "--build", build)
    return build


def failures(said: dict) -> dict:
    return {check["check"]: check["why"] for check in said["checks"] if check["verdict"] == "failed"}


def test_without_its_ways_it_passes(sdk, odd):
    assert sdk.test(odd / "odd.so")["result"] == "passed"


@pytest.mark.parametrize("way", ODD)
def test_what_goes_wrong_fails_where_it_does(sdk, odd, way):
    said = sdk.test(odd / "odd.so", "--settings", json.dumps({"way": way}), expect=1)
    assert said["result"] == "failed" and ODD[way] in failures(said), failures(said)


def test_a_level_that_fails_is_the_last(sdk, odd):
    said = sdk.test(odd / "odd.so", "--settings", '{"way": "thread"}', expect=1)
    assert {check["check"][:2] for check in said["checks"]} == {"L0"}
    assert failures(said) == {"L0.calm": "it starts a thread"}


def test_a_plugin_that_exports_more_is_told_what(sdk, odd):
    assert "more_than_that" in failures(sdk.test(odd / "talkative.so", "--level", "0", expect=1))["L0.exports"]


def test_the_answer_for_people_says_the_same(sdk, odd):
    text = sdk.run(sdk.program, "test", odd / "odd.so")
    assert "passed  L1.no-memory" in text and text.splitlines()[-1].startswith("OK: ")
    assert "failed  L0.exports" in sdk.run(sdk.program, "test", odd / "talkative.so", expect=1)
