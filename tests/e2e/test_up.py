"""The whole line on a real engine, by the command line, as a user has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout

pytestmark = [pytest.mark.docker, pytest.mark.network]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A small project that is up; tests leave it up."""
    engines.require()
    with checkouts.small(tmp_path_factory.mktemp("with space and ümlaut") / "my 🦊 project") as checkout:
        checkout.run("up", "-d")
        yield checkout


def test_up_serves_and_a_second_up_does_nothing(up: Checkout) -> None:
    assert up.get() == "hello"
    result = up.run("up", "-d", "--json").data
    assert [step for step in result["steps"] if step["verb"] != "wait"] == []
    assert sorted(result["kept"]) == [f"{up.name}-redis-1", f"{up.name}-web-1"]


def test_the_lockfile_is_written_once_and_then_left_alone(up: Checkout) -> None:
    path = up.folder / "devenv.lock"
    before = path.stat()
    up.run("up", "-d", "--frozen")
    up.run("lock")
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_status_says_what_runs_and_that_it_is_current(up: Checkout) -> None:
    rows = {row["unit"]: row for row in up.run("status", "--json").data["rows"]}
    assert rows["web"]["current"] is rows["redis"]["current"] is True
    assert rows["web"]["addresses"] == [f"http://127.0.0.1:{up.port}"]


def test_a_changed_variable_recreates_that_container_and_no_other(up: Checkout) -> None:
    redis = up.docker("inspect", "-f", "{{.Id}}", f"{up.name}-redis-1")
    toml = up.folder / "devenv.toml"
    before = toml.read_text()
    toml.write_text(before.replace("ports = [", 'env = { COLOUR = "$blue \\"🦊\\"\\n$$" }\nports = ['))
    plan = up.run("up", "--dry-run").out
    assert "env changed" in plan
    assert not [line for line in plan.splitlines() if "redis" in line and not line.startswith("wait")]
    assert {row["unit"]: row["current"] for row in up.run("status", "--json").data["rows"]}["web"] is False
    up.run("up", "-d")
    assert up.run("exec", "web", "printenv", "COLOUR").out == '$blue "🦊"\n$$\n'
    assert up.docker("inspect", "-f", "{{.Id}}", f"{up.name}-redis-1") == redis
    toml.write_text(before)
    up.run("up", "-d")


def test_setup_runs_again_when_its_input_changes(up: Checkout) -> None:
    (up.folder / "greeting.txt").write_text("good evening")
    up.run("up", "-d")
    assert up.get() == "good evening"
    (up.folder / "greeting.txt").write_text("hello")
    up.run("up", "-d")
    assert up.run("run", "greet").out == "hello"


def test_a_failing_setup_shows_its_output_leaves_the_rest_up_and_is_tried_again(up: Checkout) -> None:
    toml = up.folder / "devenv.toml"
    before = toml.read_text()
    toml.write_text(before.replace('setup = ["', 'setup = ["test -e $HOME/allowed || { echo no luck; exit 7; }", "'))
    failed = up.run("up", "-d", check=False)
    assert failed.code == 4
    assert "no luck" in failed.err
    assert "devenv: setup failed: exit code 7" in failed.err
    assert "Traceback" not in failed.err
    up.run("exec", "web", "touch", "/home/dev/allowed")
    up.run("up", "-d")
    assert up.get() == "hello"
    toml.write_text(before)
    up.run("up", "-d")


def test_data_survives_down_and_is_gone_after_down_with_volumes(up: Checkout) -> None:
    up.run("exec", "redis", "redis-cli", "set", "book", "Middlemarch")
    up.run("down")
    assert not up.docker("ps", "-aq", "--filter", f"label=dev.devenv.instance={up.name}")
    up.run("up", "-d")
    assert up.run("exec", "redis", "redis-cli", "get", "book").out == "Middlemarch\n"
    up.run("down", "--volumes")
    assert up.left() == []
    up.run("up", "-d")
    assert up.run("exec", "redis", "redis-cli", "get", "book").out == "\n"


def test_the_exit_code_of_a_command_is_passed_on(up: Checkout) -> None:
    assert up.run("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 42", check=False) == checkouts.Ran(
        42, "out\n", "err\n"
    )
    assert up.run("run", "greet", "/does/not/exist", check=False).code == 1


def test_files_are_live_both_ways(up: Checkout) -> None:
    (up.folder / "from host.txt").write_text("1")
    assert up.run("exec", "web", "cat", "from host.txt").out == "1"
    up.run("exec", "web", "sh", "-c", "echo 2 > made-inside.txt")
    made = up.folder / "made-inside.txt"
    assert made.read_text() == "2\n"
    assert made.stat().st_uid == os.getuid()


def test_ports_answer_on_loopback_only(up: Checkout) -> None:
    listed = json.loads(up.docker("inspect", f"{up.name}-web-1", f"{up.name}-redis-1"))
    addresses = {
        binding["HostIp"]
        for one in listed
        for bindings in one["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }
    assert addresses == {"127.0.0.1"}
    others = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    for address in others:
        probe = subprocess.run(["curl", "-s", "-m", "2", f"http://{address}:{up.port}/"], capture_output=True)
        assert probe.returncode != 0, address


def test_the_variables_for_the_host_reach_the_service(up: Checkout) -> None:
    values = up.run("env", "--format", "json").data
    answer = subprocess.run(
        ["bash", "-c", 'exec 3<>"/dev/tcp/$0/$1"; printf "PING\\r\\n" >&3; head -n 1 <&3',
         values["REDIS_HOST"], values["REDIS_PORT"]],
        capture_output=True, text=True, timeout=10,
    )  # fmt: skip
    assert answer.stdout.strip() == "+PONG"


def test_logs_are_labelled_with_their_unit(up: Checkout) -> None:
    lines = up.run("logs", "web").out.splitlines()
    assert "web        | listening" in lines
    assert all(line.startswith("web ") for line in lines)


def test_restart_restarts_and_waits(up: Checkout) -> None:
    before = up.docker("inspect", "-f", "{{.State.StartedAt}}", f"{up.name}-web-1")
    up.run("restart", "web")
    assert up.docker("inspect", "-f", "{{.State.StartedAt}}", f"{up.name}-web-1") != before
    assert up.get() == "hello"


def test_up_converges_from_what_other_tools_left_behind(up: Checkout) -> None:
    names = f"{up.name}-web-1", f"{up.name}-redis-1"
    up.docker("pause", names[1])
    up.run("up", "-d")
    up.docker("stop", *names)
    up.docker("rm", names[0])
    up.run("up", "-d")
    up.docker("stop", *names)
    up.docker("network", "rm", f"{up.name}_default")
    up.run("up", "-d")
    assert up.get() == "hello"
    up.docker("stop", *names)
    up.docker("rm", *names)
    up.docker("volume", "rm", f"{up.name}_web-home")
    up.run("up", "-d")
    assert up.get() == "hello"


def test_a_taken_port_is_told_with_its_holder(up: Checkout, tmp_path: Path) -> None:
    import socket

    with checkouts.small(tmp_path / "other") as other, socket.socket() as holder:
        holder.bind(("127.0.0.1", other.port))
        holder.listen()
        failed = other.run("up", "-d", check=False)
    assert failed.code == 4
    assert f"error: `web` cannot have port {other.port}: `" in failed.err
    assert f"(process {os.getpid()}) listens there" in failed.err
    assert "hint: stop it, or set another port in `devenv.toml` or `devenv.local.toml`" in failed.err


def test_an_environment_of_the_same_name_in_another_folder_is_left_alone(up: Checkout, tmp_path: Path) -> None:
    (tmp_path / "devenv.toml").write_text((up.folder / "devenv.toml").read_text())
    other = Checkout(tmp_path, up.name, up.port, up.engine)
    assert f"{up.name}-{tmp_path.name.replace('_', '-')[:5]}" in other.run("down", "--volumes").err
    # A machine that has forgotten the first one: the engine has not.
    other.env["DEVENV_STATE"] = str(tmp_path / "state")
    refused = other.run("down", "--volumes", check=False)
    assert refused.code == 4
    assert f"an environment named `{up.name}` belongs to `{up.folder}`" in refused.err
    assert up.get() == "hello"


def test_a_container_that_exits_is_named_with_its_last_lines(up: Checkout) -> None:
    toml = up.folder / "devenv.toml"
    before = toml.read_text()
    toml.write_text(before.replace("perl server.pl", "echo it broke >&2; exit 3; perl server.pl"))
    failed = up.run("up", "-d", check=False)
    assert failed.code == 4
    assert f"{up.name}-web-1" in failed.err
    assert "it broke" in failed.err
    toml.write_text(before)
    up.run("up", "-d")


def test_foreground_shows_logs_until_interrupted_and_then_stops(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "project") as checkout:
        process = subprocess.Popen(
            checkout.command("up"), cwd=checkout.folder, env=checkout.environ,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith("web ") and "http://" in line:
                break
        checkout.get()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 130, "".join(seen) + rest
        assert not checkout.docker("ps", "-q", "--filter", f"label=dev.devenv.instance={checkout.name}")


def test_apps_run_as_the_hosts_user_with_a_name_and_no_root_owned_files(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "project") as checkout:
        checkout.env["DEVENV_USER"] = "4321:4321"
        os.chown(checkout.folder, 4321, 4321)
        for parent in checkout.folder.parents:
            if parent.stat().st_uid == os.getuid() and parent != Path("/") and "pytest" in str(parent):
                parent.chmod(0o755)
        checkout.run("up", "-d")
        assert checkout.run("exec", "web", "id", "-un").out == "dev\n"
        checkout.run("exec", "web", "touch", "made")
        assert (checkout.folder / "made").stat().st_uid == 4321
        assert checkout.get() == "hello"
