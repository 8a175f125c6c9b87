"""The secrets that people bring: where they come from and in which order, who may read what, what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from devenv import blueprint, environment, identity, secrets, trust, vault, veil, workspace
from devenv.commands import secrets as command
from devenv.engine.memory import MemoryEngine
from devenv.errors import DevenvError, Problems, UsageError
from devenv.model.blueprint import Container
from devenv.model.machine import Machine
from devenv.model.project import App, Secret
from devenv.vault import dotenv, given, sources, store
from devenv.workspace import Workspace
from tests import projects

CANARY = "canary-5f1c"
HARD = "first 'line'\n\t\"second\" $HOME \\n `x` é 漢\n\n"


def shop(root: Path, *asked: Secret, apps: tuple[App, ...] = (), **machine: object) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    (root / "devenv.toml").write_text("".join(f"[secrets.{one.name}]\n" for one in asked))
    project = projects.project(root, apps=apps or (projects.app(stacks=()),), secrets=asked or (Secret("TOKEN"),))
    settings = {"state": root.parent / "state"} | machine
    return Workspace(root, project, projects.CATALOG, Machine(**settings))  # type: ignore[arg-type]


def found(opened: Workspace, **environ: str) -> tuple[str | None, str | None]:
    """Where the one secret comes from, and its value."""
    (one,) = vault.look(opened, environ)
    return one.source, one.value


def write(opened: Workspace, text: str) -> Path:
    path = opened.folder / sources.FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def refusal(opened: Workspace, **environ: str) -> DevenvError:
    with pytest.raises(DevenvError) as caught:
        vault.look(opened, environ)
    return caught.value


class Ring(KeyringBackend):
    """A keyring in memory; it fails where it is told to."""

    priority = 5

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.failure = failure

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def get_password(self, service: str, username: str) -> str | None:
        self._fail()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._fail()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._fail()
        del self.kept[service, username]


@pytest.fixture
def ring() -> Iterator[Ring]:
    before, made = keyring.get_keyring(), Ring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


# --- where they come from ---


def test_sources_are_asked_in_their_order_and_the_first_that_has_it_counts(tmp_path: Path, ring: Ring) -> None:
    opened = shop(tmp_path / "p", secret_command=("/bin/echo", "from {project} {name}"))
    assert found(opened) == (None, None)
    vault.keep(opened, "TOKEN", "from devenv")
    assert found(opened) == ("kept", "from devenv")
    vault.allow(opened, ["TOKEN"])
    assert found(opened) == ("command", "from shop TOKEN")
    vault.keep(opened, "TOKEN", "from the keyring", in_keyring=True)
    assert found(opened) == ("keyring", "from the keyring")
    assert list(ring.kept.values()) == ["from the keyring"]
    write(opened, "TOKEN=from the file\n")
    assert found(opened) == ("file", "from the file")
    assert found(opened, TOKEN="from the variable") == ("variable", "from the variable")
    assert found(opened, TOKEN="") == ("file", "from the file")


def test_a_value_is_in_one_place_and_unset_takes_it_out_of_all(tmp_path: Path, ring: Ring) -> None:
    opened = shop(tmp_path / "p")
    vault.keep(opened, "TOKEN", CANARY)
    vault.keep(opened, "TOKEN", "another", in_keyring=True)
    assert CANARY not in "".join(path.read_text() for path in (tmp_path / "state").rglob("*.json"))
    vault.collect(opened, {})
    assert secrets.brought(opened.project) == {"TOKEN": "another"}
    assert vault.forget(opened, "TOKEN")
    assert (ring.kept, found(opened), secrets.brought(opened.project)) == ({}, (None, None), {})
    assert not vault.forget(opened, "TOKEN")


def test_what_is_kept_is_outside_the_project_for_its_owner_alone(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p")
    vault.keep(opened, "TOKEN", CANARY)
    (path,) = (tmp_path / "state").rglob("*.json")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not any(CANARY in one.read_text() for one in opened.folder.rglob("*") if one.is_file())
    path.write_text("{")
    assert f"`{path}`" in refusal(opened).message


def test_of_a_project_that_is_gone_nothing_is_kept_any_more(tmp_path: Path, ring: Ring) -> None:
    gone, stays = shop(tmp_path / "p", Secret("A"), Secret("B")), shop(tmp_path / "q")
    vault.keep(gone, "A", CANARY)
    vault.keep(gone, "B", CANARY, in_keyring=True)
    vault.keep(stays, "TOKEN", "v")
    shutil.rmtree(gone.folder)
    vault.drop(gone.machine, gone.folder)
    assert (ring.kept, len(list((tmp_path / "state").rglob("*.json")))) == ({}, 1)
    assert found(stays) == ("kept", "v")
    vault.drop(gone.machine, gone.folder)


def test_those_who_keep_several_at_once_lose_none(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p", *(Secret(f"S{number}") for number in range(8)))
    several = [threading.Thread(target=vault.keep, args=(opened, f"S{number}", "v")) for number in range(8)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    assert vault.missing(opened, {}) == ()


# --- who may read what ---


def test_a_variable_of_the_machine_is_not_read_unasked_and_its_value_shown_nowhere(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p", Secret("AWS_SECRET_ACCESS_KEY"))
    with pytest.raises(Problems) as caught:
        vault.collect(opened, {"AWS_SECRET_ACCESS_KEY": CANARY})
    (problem,) = caught.value.problems
    assert "must not read unasked" in problem.message
    assert "`devenv secrets allow AWS_SECRET_ACCESS_KEY`" in (problem.hint or "")
    assert CANARY not in f"{problem.message}{problem.hint}"
    assert not (opened.folder / given.FILE).exists()


def test_the_users_command_is_not_run_for_a_name_unasked(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    opened = shop(tmp_path / "p", secret_command=("/bin/sh", "-c", f"touch {ran}; echo v"))
    assert (found(opened), ran.exists()) == ((None, None), False)
    vault.allow(opened, ["TOKEN"])
    assert (found(opened), ran.exists()) == (("command", "v"), True)


def test_leave_is_given_by_name_and_a_new_name_asks_again(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p", Secret("A"), Secret("B"))
    assert [one.name for one in vault.unasked(opened)] == ["A", "B"]
    vault.allow(opened, ["A"])
    assert [one.name for one in vault.unasked(opened)] == ["B"]
    assert [one.source for one in vault.look(opened, {"A": "a", "B": "b"})] == ["variable", None]
    with pytest.raises(UsageError):
        vault.allow(opened, ["C"])


def test_consent_to_all_that_is_asked_for_is_leave_to_read_and_its_absence_stops_nothing_else(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p", Secret("TOKEN"), Secret("NOWHERE", apps=()))
    (ask,) = trust.unconsented(opened)
    assert (ask.kind, ask.given, ask.where and ask.where.line) == ("secret", False, 1)
    assert ask.words == ("`web` reads this machine's `TOKEN`: its variable, or what your command for secrets prints")
    trust.require(opened)
    trust.consent(opened)
    assert found(opened, TOKEN="v") == ("variable", "v")
    trust.withdraw(opened)
    assert found(opened, TOKEN="v") == (None, None)


def test_another_project_of_the_same_name_has_nothing_of_it(tmp_path: Path, ring: Ring) -> None:
    mine, other = shop(tmp_path / "p", Secret("A"), Secret("B")), shop(tmp_path / "q", Secret("A"), Secret("B"))
    vault.keep(mine, "A", CANARY)
    vault.keep(mine, "B", CANARY, in_keyring=True)
    vault.allow(mine, ["A", "B"])
    assert len(vault.missing(other, {"A": CANARY, "B": CANARY})) == 2


def git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


def test_worktrees_share_what_their_project_was_given_and_a_forged_one_gets_nothing(tmp_path: Path) -> None:
    main = shop(tmp_path / "p")
    git(main.folder, "init", "-q")
    git(main.folder, "add", "devenv.toml")
    git(main.folder, "commit", "-qm", "one")
    git(main.folder, "worktree", "add", "-q", str(tmp_path / "w"))
    vault.keep(main, "TOKEN", CANARY)
    assert found(shop(tmp_path / "w")) == ("kept", CANARY)
    forged = shop(tmp_path / "f")
    (forged.folder / ".git").write_text((tmp_path / "w" / ".git").read_text())
    assert found(forged) == (None, None)
    vault.forget(main, "TOKEN")
    write(main, f"TOKEN={CANARY}")
    assert (found(shop(tmp_path / "w")), found(forged)) == (("file", CANARY), (None, None))


# --- the file ---


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("TOKEN=plain", "plain"),
        ("# c\n\n export TOKEN = a b # c\r\n", "a b"),
        ("TOKEN='a # \"b\" $C \\n'", 'a # "b" $C \\n'),
        ('TOKEN="a\\nb \\"c\\" \\$D \\e"  # c', 'a\nb "c" $D \\e'),
        ("TOKEN='-----BEGIN\nKEY-----\n'\n", "-----BEGIN\nKEY-----\n"),
        ("\ufeffTOKEN=é漢", "é漢"),
        ("TOKEN=one\nTOKEN=two", "two"),
        ("TOKEN=a#b='c'", "a#b='c'"),
        ("OTHER=1\nTOKEN=\n", None),
    ],
)
def test_the_file_is_read_as_people_write_such_files(tmp_path: Path, text: str, value: str | None) -> None:
    opened = shop(tmp_path / "p")
    write(opened, text)
    assert found(opened)[1] == value


@pytest.mark.parametrize(
    "text", [f"A=1\n{CANARY}\n", f"A=1\nTOKEN='{CANARY}\n", f'A=1\nTOKEN="{CANARY}"x\n', "A=1\n9=x"]
)
def test_a_line_that_is_no_variable_is_named_by_its_number_alone(tmp_path: Path, text: str) -> None:
    opened = shop(tmp_path / "p")
    write(opened, text)
    refused = refusal(opened)
    assert refused.message == "line 2 of `.devenv/secrets.env` is no `NAME=value`"
    assert refused.where is None


def test_a_file_that_git_tracks_is_refused(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p")
    path = write(opened, f"TOKEN={CANARY}")
    git(opened.folder, "init", "-q")
    assert found(opened)[0] == "file"
    git(opened.folder, "add", "-f", str(path))
    refused = refusal(opened)
    assert "git tracks" in refused.message
    assert "git rm --cached" in (refused.hint or "")


def test_links_are_refused_wherever_they_lead(tmp_path: Path) -> None:
    theirs = tmp_path / "home" / "secrets.env"
    theirs.parent.mkdir()
    theirs.write_text(f"TOKEN={CANARY}")
    opened = shop(tmp_path / "p")
    write(opened, "").unlink()
    (opened.folder / sources.FILE).symlink_to(theirs)
    assert "symbolic link" in refusal(opened).message
    other = shop(tmp_path / "q")
    (other.folder / ".devenv").symlink_to(theirs.parent)
    assert "symbolic link" in refusal(other).message


def test_a_folder_a_pipe_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p")
    path = write(opened, "")
    path.write_bytes(b"TOKEN=\xff")
    assert "no text" in refusal(opened).message
    path.unlink()
    os.mkfifo(path)
    assert "is no file" in refusal(opened).message
    path.unlink()
    path.mkdir()
    assert "is no file" in refusal(opened).message


def test_what_was_given_is_no_way_to_another_file(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p")
    (tmp_path / "other.json").write_text(f'{{"TOKEN": "{CANARY}"}}')
    path = opened.folder / given.FILE
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "other.json")
    assert secrets.brought(opened.project) == {}


# --- values ---


@pytest.mark.parametrize("value", [HARD, "x" * sources.LONGEST, "a\nb", " ", "€"])
def test_every_text_is_kept_and_given_as_it_is(tmp_path: Path, value: str) -> None:
    opened = shop(tmp_path / "p")
    vault.keep(opened, "TOKEN", value)
    vault.collect(opened, {})
    assert delivered(opened) == {"web/TOKEN": value}


@pytest.mark.parametrize(("value", "kept"), [("v\n", "v"), (b"v\r\n", "v"), ("a\nb\n", "a\nb\n")])
def test_a_single_line_loses_its_line_end_and_a_text_keeps_it(value: str | bytes, kept: str) -> None:
    assert sources.check("TOKEN", value) == kept


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        (b"\xff\xfe", "is binary"),
        ("a\0b", "is binary"),
        ("\udcff", "is binary"),
        ("é" * sources.LONGEST, "131072 bytes"),
    ],
)
def test_what_no_variable_can_hold_is_refused_without_showing_it(tmp_path: Path, value: str | bytes, why: str) -> None:
    opened = shop(tmp_path / "p")
    with pytest.raises(DevenvError, match=why) as caught:
        vault.keep(opened, "TOKEN", value)
    assert caught.value.hint
    if not isinstance(value, bytes) and len(value) > 1:
        assert value not in caught.value.message


# --- the keyring and the command ---


@pytest.mark.parametrize("failure", [RuntimeError(CANARY), keyring.errors.NoKeyringError("none"), OSError(5, "dbus")])
def test_a_broken_keyring_costs_nothing_and_is_named_only_where_it_was_used(
    tmp_path: Path, ring: Ring, failure: Exception
) -> None:
    opened = shop(tmp_path / "p")
    vault.keep(opened, "TOKEN", "v", in_keyring=True)
    ring.failure = failure
    (one,) = vault.look(opened, {})
    assert (one.source, one.why) == (None, f"the system's keyring does not give it: {type(failure).__name__}")
    with pytest.raises(DevenvError, match="does not take `TOKEN`") as caught:
        vault.keep(opened, "TOKEN", "w", in_keyring=True)
    assert CANARY not in caught.value.message
    vault.keep(opened, "TOKEN", "w")
    assert found(opened) == ("kept", "w")


def test_a_keyring_that_keeps_nothing_is_none(ring: Ring) -> None:
    assert vault.has_keyring()
    ring.priority = 0
    assert not vault.has_keyring()


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo not signed in >&2; exit 3", "your command for secrets ended with 3: not signed in"),
        ("exit 1", "your command for secrets ended with 1"),
        ("printf '\\377'", "your command for secrets: the value of `TOKEN` is binary"),
        ("true", "your command for secrets: the value of `TOKEN` is empty"),
    ],
)
def test_a_command_that_gives_nothing_is_told_with_its_own_words(tmp_path: Path, script: str, why: str) -> None:
    opened = shop(tmp_path / "p", secret_command=("/bin/sh", "-c", script))
    vault.allow(opened, ["TOKEN"])
    (one,) = vault.look(opened, {})
    assert (one.value, one.why) == (None, why)


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p", secret_command=("/none/op",))
    vault.allow(opened, ["TOKEN"])
    with pytest.raises(Problems) as caught:
        vault.collect(opened, {})
    assert "cannot be run: No such file" in caught.value.problems[0].message


def test_the_command_is_asked_for_several_and_runs_outside_the_project(tmp_path: Path) -> None:
    names = [f"S{number}" for number in range(6)]
    script = "pwd >&2; echo value of {name}"
    opened = shop(tmp_path / "p", *map(Secret, names), secret_command=("/bin/sh", "-c", script))
    vault.allow(opened, names)
    assert [one.value for one in vault.look(opened, {})] == [f"value of {name}" for name in names]


def test_the_command_is_asked_once_for_what_it_gave_and_again_for_what_it_did_not(tmp_path: Path) -> None:
    script = f"echo x >>{tmp_path}/$0; [ $0 = A ] || [ $(wc -l <{tmp_path}/$0) -gt 1 ] && echo value"
    opened = shop(tmp_path / "p", Secret("A"), Secret("B"), secret_command=("/bin/sh", "-c", script, "{name}"))
    vault.allow(opened, ["A", "B"])
    told = [[one.source for one in vault.look(opened, {})] for _ in range(3)]
    assert told == [["command", None], ["command", "command"], ["command", "command"]]
    assert [(tmp_path / name).read_text().count("x") for name in ("A", "B")] == [1, 2]


# --- what apps get ---


def containers(opened: Workspace) -> dict[str, Container]:
    made = blueprint.make(opened.project, opened.entries, projects.pins(opened.project), workspace.placement(opened))
    return {one.unit: one for one in made.containers}


def delivered(opened: Workspace) -> dict[str, str]:
    """The files that containers get, as they are written."""
    made = blueprint.make(opened.project, opened.entries, projects.pins(opened.project), workspace.placement(opened))
    secrets.write(opened.project, opened.entries, made)
    folder = opened.folder / secrets.FOLDER
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.glob("*/*"))}


def test_each_app_gets_what_it_is_meant_to_and_does_not_set_itself(tmp_path: Path) -> None:
    apps = (
        projects.app(stacks=()),
        projects.app("worker", stacks=()),
        projects.app("own", stacks=(), env={"ALL": "mine", "WEB": "mine"}),
    )
    asked = (
        Secret("ALL"),
        Secret("WEB", apps=("web", "own")),
        Secret("MAYBE", required=False),
        Secret("NO", apps=("own",)),
    )
    opened = shop(
        tmp_path / "p", *asked, apps=(apps[0], apps[1], replace(apps[2], env={"ALL": "1", "WEB": "1", "NO": "1"}))
    )
    assert [one.secret.name for one in vault.look(opened, {})] == ["ALL", "WEB", "MAYBE"]
    for name in ("ALL", "WEB"):
        vault.keep(opened, name, f"v-{name}")
    vault.collect(opened, {})
    assert delivered(opened) == {"web/ALL": "v-ALL", "web/WEB": "v-WEB", "worker/ALL": "v-ALL"}
    vault.keep(opened, "MAYBE", "yes")
    vault.collect(opened, {})
    assert {"own/MAYBE", "web/MAYBE", "worker/MAYBE"} <= delivered(opened).keys()


def test_a_secret_goes_before_what_a_service_gives_under_that_name(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (root / "devenv.toml").write_text("")
    asked = (Secret("DATABASE_URL", required=False),)
    web = projects.app(needs=("postgres",), stacks=())
    project = projects.project(root, apps=(web,), services=(projects.service(),), secrets=asked)
    opened = Workspace(root, project, projects.CATALOG, Machine(state=tmp_path / "state"))
    vault.collect(opened, {})
    assert delivered(opened)["web/DATABASE_URL"].startswith("postgresql://")
    vault.keep(opened, "DATABASE_URL", "sqlite:///x")
    vault.collect(opened, {})
    assert delivered(opened)["web/DATABASE_URL"] == "sqlite:///x"


def test_a_changed_value_changes_the_containers_that_get_it_and_no_other(tmp_path: Path) -> None:
    apps = (projects.app(stacks=()), projects.app("other", stacks=()))
    opened = shop(tmp_path / "p", Secret("TOKEN", apps=("web",)), apps=apps)
    seen = []
    for value in ("one", "two"):
        vault.keep(opened, "TOKEN", value)
        vault.collect(opened, {})
        seen.append(containers(opened))
    assert seen[0]["web"].config_hash != seen[1]["web"].config_hash
    assert seen[0]["other"].config_hash == seen[1]["other"].config_hash


def test_the_environments_id_says_what_is_asked_for_and_nothing_of_what_was_given(tmp_path: Path) -> None:
    opened, bare = shop(tmp_path / "p"), shop(tmp_path / "q")
    lock = projects.lock(opened.project)
    before = identity.of(opened, lock)
    vault.keep(opened, "TOKEN", CANARY)
    vault.collect(opened, {})
    assert identity.of(opened, lock) == before
    assert identity.of(replace(bare, project=replace(bare.project, secrets=())), lock) != before


def test_every_missing_one_is_named_at_once_with_its_place_and_what_it_is(tmp_path: Path) -> None:
    first = Secret("A", "the key\x1b[31m\nhint: run rm", "https://example.com/a")
    opened = shop(tmp_path / "p", first, Secret("B"), Secret("C", required=False))
    with pytest.raises(Problems) as caught:
        vault.collect(opened, {})
    one, two = caught.value.problems
    assert one.message == "the secret `A` has no value: the key\\x1b[31m\\nhint: run rm, https://example.com/a"
    assert (one.where and one.where.line, two.where and two.where.line) == (1, 2)
    assert two.hint == "run `devenv secrets set B`, which asks for it"
    with pytest.raises(Problems, match="2 mistakes"):
        vault.require(opened)


def test_nothing_is_started_without_what_it_needs(tmp_path: Path) -> None:
    opened, engine = shop(tmp_path / "p"), MemoryEngine()
    made = blueprint.make(opened.project, opened.entries, projects.pins(opened.project), workspace.placement(opened))
    with pytest.raises(Problems) as caught:
        environment.converge(opened, engine, made, tell=lambda _: None)
    assert "`TOKEN` has no value" in caught.value.problems[0].message
    seen = engine.observe(None)
    assert (seen.containers, seen.networks, seen.volumes) == ((), (), ())


def test_values_stay_as_they_were_until_the_next_up(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p")
    vault.allow(opened, ["TOKEN"])
    vault.collect(opened, {"TOKEN": "v"})
    before = containers(opened)["web"].config_hash
    vault.require(opened)
    assert containers(opened)["web"].config_hash == before


# --- nothing shows them ---


def test_no_value_is_in_what_commands_return_or_in_a_repr(tmp_path: Path) -> None:
    opened = shop(tmp_path / "p")
    vault.keep(opened, "TOKEN", CANARY)
    vault.collect(opened, {})
    kept = store.read(opened.machine, opened.folder)
    shown = [command.listed(opened), command.keep(opened, "TOKEN", CANARY, in_keyring=False), vault.look(opened), kept]
    shown += [containers(opened), sources.Answer(CANARY), opened]
    assert not [one for one in shown if CANARY in repr(one)]


def test_a_known_secret_is_veiled_in_any_text_whole_and_line_by_line() -> None:
    veil.hide("first-line-3141\nsecond-line-2718")
    veil.hide("abc")
    veil.hide("postgres")
    assert veil.over("x first-line-3141 y second-line-2718 abc postgres") == "x … y … abc postgres"


def test_a_text_of_variables_never_takes_for_ever() -> None:
    with pytest.raises(DevenvError):
        dotenv.parse("A=1\n" * 1000 + 'B="' + "\\a" * 100_000, "x")
