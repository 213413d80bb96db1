"""The SDK as an outside author has it: installed under a prefix, with velocity-plugin, and nothing of the tree. Used by the tests of what is built with it."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import velocity


class Sdk:
    def __init__(self, work: pathlib.Path):
        self.work = work
        self.prefix = work / "prefix"
        run("cmake", "--install", velocity.BUILD, "--component", "sdk", "--prefix", self.prefix)
        self.program = self.prefix / "bin/velocity-plugin"
        self.program.parent.mkdir(exist_ok=True)
        shutil.copy2(velocity.BUILD / "bin/velocity-plugin", self.program)
        self.environment = {**os.environ, "PATH": f"{self.program.parent}:{os.environ['PATH']}", "CMAKE_PREFIX_PATH": str(self.prefix), "CMAKE_GENERATOR": "Ninja",
                            "CCACHE_DISABLE": "1"}

    def run(self, *command, where: pathlib.Path | None = None, expect: int = 0) -> str:
        return run(*command, where=where, environment=self.environment, expect=expect)

    def build(self, source: pathlib.Path, name: str, *options: str) -> pathlib.Path:
        """Builds a copy of the project, out of the tree, and answers the plugin as it is installed."""
        copy, build, installed = self.work / name / "source", self.work / name / "build", self.work / name / "installed"
        shutil.copytree(source, copy)
        self.run("cmake", "-S", copy, "-B", build, f"-DCMAKE_INSTALL_PREFIX={installed}", *options)
        self.run("cmake", "--build", build)
        self.run("cmake", "--install", build)
        (plugin,) = installed.rglob("*.so")
        return plugin

    def test(self, plugin: pathlib.Path, *options: str, expect: int = 0) -> dict:
        """velocity-plugin test --json: {check name: verdict}, and what it says of those that did not pass."""
        return json.loads(self.run(self.program, "test", "--json", *options, plugin, expect=expect))


def run(*command, where: pathlib.Path | None = None, environment: dict | None = None, expect: int = 0) -> str:
    done = subprocess.run([str(part) for part in command], cwd=where, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, text=True, errors="replace")
    assert done.returncode == expect, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout
