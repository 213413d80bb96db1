"""The manual pages say what the programs say of themselves: every option, command and setting, with its text and its default. And bash completes that."""

import re
import subprocess

import pytest

import velocity

MANUALS = velocity.SOURCE / "server/packaging/man"
COMPLETION = velocity.SOURCE / "server/packaging/completion"
SERVER = velocity.BUILD / "server/daemon/velocityd"
TOOL = velocity.BUILD / "bin/velocity-plugin"


def output(*command) -> str:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


def plain(page: str) -> str:
    """A page without its formatting: what stands in it, in one line."""
    text = (MANUALS / page).read_text()
    text = re.sub(r"(?m)^\.(TH|SH|SS|TP|PP|BR|BI|IR|RI|B|I|EX|EE|br|in)\b ?", "", text)
    text = text.replace(r"\(dq", "\x00").replace('"', "").replace("\x00", '"').replace(r"\-", "-").replace(r"\e", "\\")
    return " ".join(text.split())


def options_of(help: str) -> dict[str, str]:
    """Of a help text: each long option with what is said of it."""
    found, last = {}, None
    for line in help.splitlines():
        if option := re.match(r"  (?:-\w,)?(--[\w-]+)(?: \S+)*?\s{2,}(\S.*)$", line):
            last = option[1]
            found[last] = option[2]
        elif (option := re.match(r"  (?:-\w,)?(--[\w-]+)", line)):
            last = option[1]
            found[last] = ""
        elif last and line.startswith(" " * 20):
            found[last] = f"{found[last]} {line.strip()}".strip()
        else:
            last = None
    return found


def commands_of(help: str) -> dict[str, str]:
    behind = help.partition("Subcommands:")[2]
    return dict(re.findall(r"(?m)^  ([a-z][a-z-]*)\s+(\S.*)$", behind))


def test_the_servers_page_has_its_options_and_no_others():
    told = options_of(output(SERVER, "--help"))
    page = plain("velocityd.8")
    assert "--listen" in told and "--print-config" in told
    for option, text in told.items():
        assert option in page, option
        if option not in ("--help", "--version"):  # worded by the library
            assert text in page, text
    options = (MANUALS / "velocityd.8").read_text().partition(".SH OPTIONS")[2].partition(".SH")[0].replace(r"\-", "-")
    assert set(re.findall(r"(?m)^\.B[IR]? .*?(--[a-z-]+)", options)) == set(told)


def test_the_page_of_the_configuration_has_every_setting_with_its_default_and_no_others():
    page = (MANUALS / "velocityd.toml.5").read_text()
    said, section, help = [], "", ""
    for line in output(SERVER, "--print-config", "--state", "/var/lib/velocity").splitlines()[1:]:
        if line.startswith("["):
            section = line[1:-1]
        elif line.startswith("# "):
            help = line[2:].partition("; on the command line ")[0]
        elif line:
            name, _, value = line.partition(" = ")
            said.append((section, name, value, help))
    assert len(said) > 20
    written, section = [], ""
    for heading, name, value, help in re.findall(r'(?m)^\.SS \[(.*)\]$|^\.BR (\w+) " = (.*)"\n(.*)$', page.partition(".SH SETTINGS")[2].partition("\n.SH ")[0]):
        if heading:
            section = heading
        else:
            text = (value, help)
            written.append((section, name, *(part.replace(r"\(dq", '"').replace(r"\-", "-") for part in text)))
    assert written == said


def test_the_tools_page_has_its_commands_and_their_options_and_no_others():
    page = plain("velocity-plugin.1")
    told = commands_of(output(TOOL, "--help"))
    assert {"new", "inspect", "probe", "test"} <= set(told)
    for command, text in told.items():
        assert re.search(rf"\b{command} ", page) and text in page, command
        for option in options_of(output(TOOL, command, "--help")):
            assert option in page, f"{command} {option}"
    commands = (MANUALS / "velocity-plugin.1").read_text().partition(".SH COMMANDS")[2].partition(".SH")[0]
    assert re.findall(r'(?m)^\.TP\n\.B[IR]? ([a-z-]+)', commands) == list(told)


@pytest.mark.parametrize("page", sorted(path.name for path in MANUALS.iterdir()))
def test_a_page_is_set_without_a_complaint(page):
    said = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", MANUALS / page], capture_output=True, text=True, check=True)
    assert not said.stderr, said.stderr


def completed(*words: str) -> set[str]:
    """What bash offers for the last word of a line, as it does when the tabulator is pressed."""
    script = """
      PATH=$1:$2:$PATH; shift 2
      source /usr/share/bash-completion/bash_completion
      source "$1/velocityd"; source "$1/velocity-plugin"; shift
      function=$(complete -p "$1" | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p')
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE=$*; COMP_POINT=${#COMP_LINE}
      "$function" "$1" "${@: -1}" "${@: -2:1}"
      printf '%s\\n' "${COMPREPLY[@]}" """
    return set(output("bash", "--norc", "-c", script, "bash", SERVER.parent, TOOL.parent, COMPLETION, *words).split())


def test_bash_completes_options_commands_and_what_stands_behind_them():
    assert completed("velocityd", "--") == set(options_of(output(SERVER, "--help")))
    assert completed("velocityd", "--print") == {"--print-config"}
    assert completed("velocityd", "--accel", "") == {"auto", "kvm", "tcg"}
    assert completed("velocityd", "--log-level", "de") == {"debug"}
    commands = commands_of(output(TOOL, "--help"))
    assert completed("velocity-plugin", "") == set(commands)
    assert completed("velocity-plugin", "li") == {"list"}
    for command in commands:
        assert completed("velocity-plugin", command, "--") == set(options_of(output(TOOL, command, "--help"))), command
