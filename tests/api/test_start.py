"""How the server starts and does not: what is said of a configuration that is wrong, before anything is begun; root's password, given, lost and set anew."""

import os
import re
import signal
import socket
import subprocess

import pytest

import velocity

PASSWORD = "another password"


@pytest.fixture
def refused(tmp_path):
    """Starts a server that must not start: what it says, and that it has begun nothing."""

    def run(*options, status=2, **environment):
        state = tmp_path / "state"
        done = subprocess.run([velocity.BUILD / "server/daemon/velocityd", "--state", state, "--hypervisor", "test:///default", "--listen", "127.0.0.1:0", *options],
                              capture_output=True, text=True, timeout=60, env={**os.environ, **environment})
        assert done.returncode == status, done.stdout + done.stderr
        assert not state.exists()
        return done.stderr

    return run


def test_an_address_that_is_taken_is_said_before_anything_is_begun(refused):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"Cannot listen on {address}: Address already in use" in refused("--listen", address, status=1)


@pytest.mark.parametrize("address, words", [("nowhere", "no address"), ("127.0.0.1:99999", "no address"), ("0.0.0.0:0", "certificate"), ("192.0.2.1:0", "Cannot assign")])
def test_an_address_that_cannot_be_listened_on_is_said(refused, tmp_path, address, words):
    config = tmp_path / "c.toml"
    config.write_text(f"[http]\ntrusted_proxy = {str(words.startswith('Cannot')).lower()}\n")
    assert words in refused("--config", config, "--listen", address, status=1)


@pytest.mark.parametrize("option", ["--plugins", "--config", "--root-password-file"])
def test_what_is_not_there_is_said_by_its_name_and_why(refused, option):
    said = refused(option, "/nope")
    assert "/nope" in said and ("No such file or directory" in said or "no directory" in said) and said.count("\n") == 1, said


def test_a_directory_is_neither_a_configuration_nor_a_password(refused, tmp_path):
    for option in ("--config", "--root-password-file"):
        assert f"{tmp_path}: a directory" in refused(option, tmp_path)


def test_a_home_that_is_not_there_is_said_with_what_helps(tmp_path):
    environment = {**os.environ, "HOME": "/proc/nowhere", "XDG_STATE_HOME": "/proc/nowhere"}
    state = [] if os.geteuid() != 0 else ["--state", "/proc/nowhere/velocity/state"]  # root's is elsewhere
    done = subprocess.run([velocity.BUILD / "server/daemon/velocityd", "--listen", "127.0.0.1:0", *state], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 1 and "/proc/nowhere" in done.stderr and "--state" in done.stderr, done.stderr


def test_on_a_terminal_roots_first_password_is_shown_once_and_is_in_no_file(tmp_path):
    master, terminal = os.openpty()
    server = subprocess.Popen([velocity.BUILD / "server/daemon/velocityd", "--state", tmp_path / "s", "--listen", "127.0.0.1:0", "--hypervisor", "test:///default"],
                              stdout=terminal, stderr=subprocess.DEVNULL, env={name: value for name, value in os.environ.items() if name != "VELOCITY_ROOT_PASSWORD"})
    os.close(terminal)
    try:
        output = b""
        while not (shown := re.search(rb"shown this once: (\S+)\r", output)):
            output += os.read(master, 4096)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        os.close(master)
    assert not (tmp_path / "s/root-password").exists()
    assert shown[1].decode() not in (tmp_path / "s/log/velocityd.log").read_text()


def test_a_short_password_for_root_is_refused(refused):
    assert "at least 8 characters" in refused(VELOCITY_ROOT_PASSWORD="1234567")


def test_a_signal_during_the_start_ends_it_at_once(tmp_path):
    never = tmp_path / "password"
    os.mkfifo(never)  # nobody writes to it: there the start waits
    server = subprocess.Popen([velocity.BUILD / "server/daemon/velocityd", "--state", tmp_path / "s", "--listen", "127.0.0.1:0", "--root-password-file", never],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        velocity.eventually(lambda: len(os.listdir(f"/proc/{server.pid}/task")) > 1, 30, what="somebody who waits for signals")
        server.send_signal(signal.SIGINT)
        output, _ = server.communicate(timeout=30)
    finally:
        server.kill()
    assert (server.returncode, output) == (0, "velocityd: ended before it answered\n")


def test_a_disabled_plugin_that_is_none_is_a_warning(own_server, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[plugins]\ndisabled = ["efi", "eff"]\n')
    server = own_server("--config", str(config), hypervisor="test:///default")
    assert 'plugins.disabled names "eff", and there is no such plugin' in server.log
    assert 'names "efi"' not in server.log


def reset(server, **environment):
    return subprocess.run([velocity.BUILD / "server/daemon/velocityd", "--state", server.state_directory, "--reset-root-password"],
                          capture_output=True, text=True, timeout=60, env={**os.environ, **environment})


def test_a_lost_password_is_replaced_while_the_server_is_stopped(own_server):
    server = own_server(hypervisor="test:///default")
    key = server.root_key()
    running = reset(server, VELOCITY_ROOT_PASSWORD=PASSWORD)
    assert running.returncode == 1 and "Another server" in running.stderr
    server.stop()
    assert reset(server, VELOCITY_ROOT_PASSWORD=PASSWORD).returncode == 0
    server.start()
    server.call("GET", "/c", key=key).expect(401)
    server.call("POST", "/u/auth", key=None, username="root", password=server.root_password).expect(403)
    server.call("POST", "/u/auth", key=None, username="root", password=PASSWORD).expect(200)
    server.stop()
    made = reset(server)
    password = (server.state_directory / "root-password").read_text().strip()
    assert made.returncode == 0 and password not in made.stdout + made.stderr
    server.start()
    server.call("POST", "/u/auth", key=None, username="root", password=password).expect(200)


def test_where_no_server_was_there_is_no_password_to_replace(refused):
    assert "--state" in refused("--reset-root-password", VELOCITY_ROOT_PASSWORD=PASSWORD)


def test_a_password_given_to_a_server_that_has_one_is_said_to_have_no_effect(own_server, tmp_path):
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    server = own_server("--root-password-file", str(file), hypervisor="test:///default")
    assert "--reset-root-password" not in server.log
    file.write_text("a third password\n")
    server.restart()
    assert "root's password is as it was" in server.log and "--reset-root-password" in server.log
    server.call("POST", "/u/auth", key=None, username="root", password=PASSWORD).expect(200)
