"""Worktrees and clones of one project at the same time, on a real engine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import config
from devenv.instances import ledger
from devenv.model.machine import Machine
from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout

pytestmark = [pytest.mark.docker, pytest.mark.network]

TINY = 'name = "{name}"\nimages = "debian"\n[services.redis]\n'
WAVE = 20


class Street:
    """A project's main checkout and two worktrees of it, which all are up.

    What they do on the machine is kept apart: others' environments are another machine's.
    """

    def __init__(self, main: Checkout, folder: Path) -> None:
        self.machine = Machine(state=folder / "state")
        self.machine.state.mkdir()
        (self.machine.state / ledger.HOST).write_text(uuid.uuid4().hex[:16])
        main.env["DEVENV_STATE"] = str(self.machine.state)
        self.main = main
        self.left, self.right = (self.worktree(name) for name in ("left", "Right Side"))
        self.all = (self.main, self.left, self.right)

    def worktree(self, name: str) -> Checkout:
        folder = self.main.folder.parent / name
        git(self.main.folder, "worktree", "add", "-q", "--detach", str(folder))
        return replace(self.main, folder=folder, name=f"{self.main.name}-{name.lower().replace(' ', '-')}")


def git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


def at_once(ones: Sequence[Checkout], *arguments: str) -> list[str]:
    """Run devenv in several checkouts at the same time; what each told."""
    started = [
        subprocess.Popen(
            one.command(*arguments), cwd=one.folder, env=one.environ, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for one in ones
    ]  # fmt: skip
    told = [one.communicate()[0] for one in started]
    assert [one.returncode for one in started] == [0] * len(started), told
    return told


def set_word(checkout: Checkout, word: str) -> None:
    checkout.run("exec", "redis", "redis-cli", "set", "word", word)


def word(checkout: Checkout) -> str:
    return checkout.run("exec", "redis", "redis-cli", "get", "word").out.strip()


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    engines.require()
    folder = tmp_path_factory.mktemp("street")
    with checkouts.small(folder / "main") as main:
        main.run("lock")
        git(main.folder, "init", "-q")
        git(main.folder, "add", ".")
        git(main.folder, "commit", "-qm", "first")
        made = Street(main, folder)
        for one in made.all:
            (one.folder / "greeting.txt").write_text(one.name)
        try:
            # The first brings the images; the others find them.
            main.run("up", "-d")
            told = at_once(made.all[1:], "up", "-d")
            assert [f"this is a second checkout of `{main.name}`" in one for one in told] == [True, True]
            yield made
        finally:
            for one in made.all[1:]:
                (one.folder / config.NAME).is_file() and one.run("down", "--volumes", check=False)


def test_three_worktrees_are_up_at_once_with_addresses_and_data_of_their_own(street: Street) -> None:
    for one in street.all:
        set_word(one, one.name)
        one.port = next(
            int(at["url"].rpartition(":")[2]) for at in one.run("url", "--json").data if at["unit"] == "web"
        )
    assert [(one.get(), word(one)) for one in street.all] == [(one.name, one.name) for one in street.all]
    told = [one.run("status", "--json").data for one in street.all]
    assert [one["instance"] for one in told] == [one.name for one in street.all]
    images = {street.main.docker("inspect", "-f", "{{.Image}}", f"{one.name}-web-1") for one in street.all}
    assert len(images) == 1
    rows = {one["name"]: one for one in street.main.run("ls", "--json").data}
    assert [rows[one.name]["is_this"] for one in street.all] == [True, False, False]
    for one in street.all:
        row = rows[one.name]
        assert (row["state"], row["running"], row["folder"], row["is_gone"]) == ("running", 2, str(one.folder), False)
        assert row["size"] > 0
        assert f"http://127.0.0.1:{one.port}" in [address["url"] for address in row["addresses"]]


def test_a_worktree_begins_with_the_data_of_the_main_checkout_and_leaves_that_alone(street: Street) -> None:
    set_word(street.main, "of main")
    refused = street.left.run("up", "-d", "--from", "main", check=False)
    assert (refused.code, "there is data of `redis` in this checkout already" in refused.err) == (1, True)
    street.left.run("down", "--volumes")
    street.left.run("up", "-d", "--from", "main")
    assert word(street.left) == "of main"
    set_word(street.left, "of left")
    assert (word(street.main), word(street.left)) == ("of main", "of left")
    assert not (street.main.folder / ".devenv" / "snapshots").exists()
    assert street.main.get() == street.main.name


def test_a_chosen_port_that_is_taken_is_another_one_then_and_that_is_said(street: Street) -> None:
    checkout = street.right
    checkout.run("down")
    port = next(
        int(one["url"].rpartition(":")[2]) for one in checkout.run("url", "--json").data if one["unit"] == "web"
    )
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        said = checkout.run("up", "-d").err
    checkout.port = next(
        int(one["url"].rpartition(":")[2]) for one in checkout.run("url", "--json").data if one["unit"] == "web"
    )
    assert f"port {port} of `web` is taken by `" in said
    assert f"it is {checkout.port} now" in said
    assert (checkout.port != port, checkout.get()) == (True, checkout.name)


def test_a_copied_folder_is_an_instance_of_its_own_and_pruned_when_it_is_gone(street: Street) -> None:
    main, folder = street.main, street.main.folder.parent / "copy"
    copy = replace(main, folder=folder, name=f"{main.name}-copy")
    shutil.rmtree(folder, ignore_errors=True)  # this test may be run again
    shutil.copytree(main.folder, folder, symlinks=True)
    told = copy.run("status", "--json").data
    assert (told["instance"], {row["state"] for row in told["rows"]}) == (copy.name, {"missing"})
    copy.run("up", "-d")
    assert word(copy) == ""
    alike = f"{copy.name}_redis-data-mine"
    main.docker("volume", "create", "--label", f"com.docker.compose.project={copy.name}", alike)
    try:
        shutil.rmtree(folder)
        refused = main.run("prune", check=False)
        assert (refused.code, copy.name in refused.err) == (2, True)
        done = main.run("prune", "--yes", "--json").data
        assert [one["name"] for one in done["instances"]] == [copy.name]
        assert replace(copy, folder=main.folder).left() == []
        assert main.docker("volume", "ls", "-q", "--filter", f"name={alike}").split() == [alike]
        assert len(main.left()) > 0
    finally:
        main.docker("volume", "rm", alike)


def test_twenty_at_once_are_twenty_instances_and_no_port_is_told_twice(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "0", text=TINY) as first:
        first.run("up", "-d")  # brings the image
        ones = [first]
        for number in range(1, WAVE):
            shutil.copytree(first.folder, tmp_path / str(number))
            ones.append(replace(first, folder=tmp_path / str(number), name=f"{first.name}-{number}"))
        try:
            told = [line.split()[-1] for said in at_once(ones, "up", "-d") for line in said.splitlines()[-1:]]
            label = '{{.Label "dev.devenv.instance"}} {{.Ports}}'
            seen = first.docker("ps", "--filter", f"name={first.name}", "--format", label).splitlines()
            assert {line.split()[0] for line in seen} == {one.name for one in ones}
            assert {line.split()[1].partition("->")[0] for line in seen} == set(told)
            assert len(told) == len(set(told)) == WAVE
        finally:
            # Twenty times `down` takes long.
            first.docker("rm", "-fv", *(f"{one.name}-redis-1" for one in ones))
            first.docker("network", "rm", *(f"{one.name}_default" for one in ones))
            first.docker("volume", "rm", *(f"{one.name}_redis-data" for one in ones))
