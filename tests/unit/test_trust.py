"""P1: nothing reaches outside the project before its user has allowed it, and one changed byte asks again."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import cloning, environment, lockfile, running, trust, workspace
from devenv.commands import reset, restart, scale, up
from devenv.commands import restore as restoring
from devenv.commands import trust as command
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import SeenImage
from devenv.errors import DevenvError, Problems, Untrusted
from devenv.live import Background
from devenv.model import labels
from devenv.model.blueprint import Container
from devenv.model.machine import Machine
from devenv.snapshots.store import Source
from devenv.telling import Event
from devenv.trust import Unconsented
from devenv.workspace import Workspace
from tests import projects

READS = frozenset(
    {"observe", "shared", "image", "look", "usage", "publishing", "use", "changes", "read", "ran_out_of_memory"}
)
CAPABILITIES = {
    "a file outside": "mounts = { '/a' = '../outside' }",
    "a file of the home folder": "mounts = { '/a' = '~/outside' }",
    "a host path": "mounts = { '/a' = '/etc/hostname' }",
    "a link that leads out": "mounts = { '/a' = 'away' }",
    "git's own folder": "mounts = { '/a' = { source = '.git', read_only = false } }",
    "the engine's socket": "mounts = { '/a' = '/var/run/docker.sock' }",
    "all rights": "privileged = true",
    "a right": "capabilities = ['NET_ADMIN']",
    "a public port": "address = '0.0.0.0'",
    "a port in the network": "address = '192.0.2.7'",
}
TEXT = 'name = "shop"\nimages = "debian"\n[apps.web]\nports = [8000]\n{}\n[services.redis]\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    (home / "outside").touch()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    (tmp_path / "outside").touch()
    folder = tmp_path / "shop"
    (folder / ".git").mkdir(parents=True)
    (folder / "away").symlink_to(tmp_path / "outside")
    return folder


def opened(folder: Path, line: str = "", *, text: str | None = None, profile: str | None = None) -> Workspace:
    """The project with a line of its app, locked."""
    (folder / "devenv.toml").write_text(text if text is not None else TEXT.format(line))
    found = workspace.load(folder, Machine(state=folder.parent / "state"), profile=profile)
    lockfile.write(folder, projects.lock(found.project))
    return found


def words(asks: tuple[trust.Ask, ...]) -> list[str]:
    return [one.words for one in asks]


# --- nothing before consent ---


class World:
    """An engine that keeps account, and every command that starts or changes something on it."""

    def __init__(self, project: Workspace) -> None:
        self.project = project
        self.engine = MemoryEngine()
        self.background = Background(project, "memory://")
        wanted = workspace.resolve(project, "amd64")
        for image in wanted.images:
            self.engine.images[image.reference] = _image(image.key)
        self.wanted = wanted

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [one for one in self.engine.calls if one[0] not in READS]

    def hear(self, _event: Event) -> None:
        """Nobody listens."""

    def up(self) -> None:
        up.run(self.project, self.engine, self.background, tell=self.hear)

    def restart(self) -> None:
        restart.run(self.project, self.engine, self.background, (), tell=self.hear)

    def scale(self) -> None:
        scale.run(self.project, self.engine, self.background, {"web": 1}, tell=self.hear)

    def reset(self) -> None:
        reset.run(self.project, self.engine, self.background, ("redis",), tell=self.hear)

    def restore(self) -> None:
        source = Source.__new__(Source)
        chosen = restoring.Chosen(source, ())
        restoring.run(self.project, self.engine, self.background, chosen, tell=self.hear)

    def clone(self) -> None:
        with cloning.saved(self.project, self.engine, "other", profile=None, tell=self.hear):
            raise AssertionError("it has begun")

    def converge(self) -> None:
        environment.converge(self.project, self.engine, self.wanted, tell=self.hear)

    def bring(self) -> None:
        environment.bring(self.project, self.engine, self.wanted, ("web",), tell=self.hear)


def _image(key: str) -> SeenImage:
    return SeenImage(f"sha256:{key}", f"sha256:{key}", {labels.PIN: key})


COMMANDS: tuple[Callable[[World], None], ...] = (
    *(World.up, World.restart, World.scale, World.reset, World.restore),
    *(World.clone, World.converge, World.bring),
)


@pytest.mark.parametrize("line", CAPABILITIES.values(), ids=CAPABILITIES)
def test_no_command_writes_to_the_engine_before_consent(folder: Path, line: str) -> None:
    world = World(opened(folder, line))
    for run in COMMANDS:
        with pytest.raises(Unconsented) as caught:
            run(world)
        assert len(caught.value.asks) == 1
        assert (caught.value.exit_code, caught.value.asks[0].given) == (5, False)
    assert world.writes == []
    assert not (folder / ".devenv/compose.yaml").exists()


@pytest.mark.parametrize("line", CAPABILITIES.values(), ids=CAPABILITIES)
def test_with_consent_it_is_brought_up_as_it_asks(folder: Path, line: str) -> None:
    project = opened(folder, line.replace("192.0.2.7", "0.0.0.0"))
    world = World(project)
    trust.consent(project)
    world.up()
    web = world.engine.containers["shop-web-1"].wanted
    assert web.privileged or web.capabilities or web.ports[0].address == "0.0.0.0" or web.mounts[-1].target == "/a"
    world.restart()


def test_a_project_that_asks_for_nothing_needs_no_consent_and_no_record(folder: Path) -> None:
    (folder / "conf").touch()
    project = opened(folder, "mounts = { '/a' = 'conf' }\naddress = '127.0.0.2'")
    assert trust.asked(project) == ()
    trust.require(project)
    assert not (folder.parent / "state/trust").exists()


def test_what_is_removed_or_looked_at_needs_no_consent(folder: Path) -> None:
    world = World(opened(folder))
    world.up()
    changed = World(opened(folder, "privileged = true"))
    changed.engine = world.engine
    from devenv.commands import diff, down, status

    assert status.run(changed.project, changed.engine, changed.background).rows
    assert diff.run(changed.project, changed.engine).differences
    assert running.is_up(changed.project, changed.engine)
    down.run(changed.project, changed.engine, changed.background, volumes=True, tell=changed.hear)
    assert world.engine.containers == {}


# --- what is asked ---


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mounts = { '/a' = '~/outside' }", "`web` reads `~/outside` of this machine; inside it is `/a`"),
        (
            "mounts = { '/a' = { source = '~', read_only = false } }",
            "`web` reads and changes `~`, with all that is in your home folder; inside it is `/a`",
        ),
        ("mounts = { '/all' = '/' }", "`web` reads `/`: this whole machine; inside it is `/all`"),
        (
            "mounts = { '/run' = '/run' }",
            "`web` reads `/run`, with the engine's socket: the whole engine, and with it this machine",
        ),
        (
            "mounts = { '/var/run/docker.sock' = '/var/run/docker.sock' }",
            ": the whole engine, and with it this machine",
        ),
        ("privileged = true", "`web` runs privileged: it may do what this machine's administrator may"),
        (
            "capabilities = ['NET_ADMIN', 'KILL']",
            "`web` has rights that containers do not have: `NET_ADMIN` and `KILL`",
        ),
        ("address = '0.0.0.0'", "`web` is reached from other computers, on 0.0.0.0: port `8000`"),
    ],
)
def test_an_ask_says_plainly_what_it_is(folder: Path, line: str, said: str) -> None:
    (ask,) = trust.asked(opened(folder, line))
    assert said in ask.words
    assert ask.where is not None
    assert (ask.where.file, ask.where.line) == ("devenv.toml", 5)


def test_where_a_path_leads_is_said(folder: Path) -> None:
    asks = trust.asked(opened(folder, "mounts = { '/a' = 'away', '/b' = '..', '/c' = '.git' }"))
    outside = folder.parent
    assert words(asks) == [
        f"`web` reads `away`, which is `{outside}/outside` of this machine; inside it is `/a`",
        f"`web` reads `..`, which is `{outside}`, with all that is in your home folder, and this project and its "
        "secrets; inside it is `/b`",
        "`web` reads `.git`: git's own, what is written there may be run on this machine; inside it is `/c`",
    ]


def test_any_socket_is_said_to_be_one_and_the_engine_in_use_to_be_the_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder.parent / "s"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        line = f"mounts = {{ '/a' = '{path}' }}"
        (ask,) = trust.asked(opened(folder, line))
        assert ask.kind == "socket"
        assert "a socket, so whatever the program behind it does" in ask.words
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        (ask,) = trust.asked(opened(folder, line))
        assert ask.kind == "engine"


def test_a_service_s_ports_are_counted_by_the_catalog_s_word(folder: Path) -> None:
    asks = trust.asked(opened(folder, "", text='images = "debian"\n[services.redis]\naddress = "0.0.0.0"\n'))
    assert words(asks) == ["`redis` is reached from other computers, on 0.0.0.0: port `6379`"]


def test_an_app_like_another_asks_for_itself_and_says_where_the_other_has_it(folder: Path) -> None:
    text = TEXT.format("mounts = { '/a' = '~/outside' }") + "[apps.work]\nlike = 'web'\n"
    asks = trust.asked(opened(folder, text=text))
    assert [(one.unit, one.where and one.where.line) for one in asks] == [("web", 5), ("work", 5)]
    assert len({one.mark for one in asks}) == 2


def test_what_outside_is_not_there_is_told_before_anything_is_begun(folder: Path) -> None:
    project = opened(folder, "mounts = { '/a' = '~/nowhere' }")
    world = World(project)
    trust.consent(project)
    with pytest.raises(DevenvError, match="this machine has no such file or folder") as caught:
        world.up()
    assert caught.value.where is not None
    assert world.writes == []


# --- asked again ---


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mounts = { '/a' = '~/outside' }", "mounts = { '/b' = '~/outside' }"),
        ("mounts = { '/a' = '~/outside' }", "mounts = { '/a' = '~/./outside' }"),
        ("mounts = { '/a' = '~/outside' }", "mounts = { '/a' = '~/Outside' }"),
        ("mounts = { '/a' = '~/outside' }", "mounts = { '/a' = { source = '~/outside', read_only = false } }"),
        ("capabilities = ['KILL']", "capabilities = ['MKNOD']"),
        ("capabilities = ['KILL']", "capabilities = ['KILL', 'MKNOD']"),
        ("address = '0.0.0.0'", "address = '0.0.0.1'"),
        ("address = '0.0.0.0'", "address = '0.0.0.0'\nenv = {}\n[apps.web2]\nports = [8001]\naddress = '0.0.0.0'"),
        ("capabilities = ['KILL']", "privileged = true"),
        ("privileged = true", "[apps.other]\nprivileged = true"),
        ("privileged = true", "[services.postgres]\nprivileged = true"),
    ],
)
def test_one_changed_byte_asks_again(folder: Path, before: str, after: str) -> None:
    trust.consent(opened(folder, before))
    assert trust.unconsented(opened(folder, before)) == ()
    assert len(trust.unconsented(opened(folder, after))) == 1


def test_a_further_port_asks_again(folder: Path) -> None:
    trust.consent(opened(folder, "address = '0.0.0.0'"))
    text = TEXT.format("address = '0.0.0.0'").replace("[8000]", "[8000, 22]")
    assert len(trust.unconsented(opened(folder, text=text))) == 1


def test_a_link_that_leads_elsewhere_now_asks_again(folder: Path) -> None:
    line = "mounts = { '/a' = 'away' }"
    trust.consent(opened(folder, line))
    (folder / "away").unlink()
    (folder / "away").symlink_to("/etc")
    assert len(trust.unconsented(opened(folder, line))) == 1


def test_a_file_of_the_project_that_becomes_a_link_out_of_it_asks(folder: Path) -> None:
    (folder / "conf").mkdir()
    (folder / "conf/a").touch()
    project = opened(folder, "mounts = { '/a' = 'conf/a' }")
    assert trust.asked(project) == ()
    shutil.rmtree(folder / "conf")
    (folder / "conf").symlink_to("/etc")
    assert len(trust.unconsented(project)) == 1


def test_a_path_that_becomes_a_socket_asks_again(folder: Path) -> None:
    line = "mounts = { '/a' = '../outside' }"
    trust.consent(opened(folder, line))
    (folder.parent / "outside").unlink()
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder.parent / "outside"))
        assert len(trust.unconsented(opened(folder, line))) == 1


def test_what_else_changes_does_not_ask_again(folder: Path) -> None:
    trust.consent(opened(folder, "privileged = true"))
    assert trust.unconsented(opened(folder, "run = 'true'\nprivileged = true")) == ()


def test_consent_is_to_what_was_shown(folder: Path) -> None:
    shown = trust.asked(opened(folder, "mounts = { '/a' = '~/outside' }"))
    now = opened(folder, "privileged = true")
    trust.consent(now, shown)
    assert len(trust.unconsented(now)) == 1


def test_consent_holds_for_other_profiles_and_back(folder: Path) -> None:
    text = TEXT.format("privileged = true") + "[profiles.ci.apps.web]\nprivileged = false\ncapabilities = ['KILL']\n"
    plain, ci = opened(folder, text=text), opened(folder, text=text, profile="ci")
    trust.consent(plain)
    (ask,) = trust.unconsented(ci)
    assert ask.where is not None
    assert ask.where.text == "capabilities = ['KILL']"
    trust.consent(ci)
    assert (trust.unconsented(plain), trust.unconsented(ci)) == ((), ())


# --- files of the repository have no say ---


def test_the_overlay_of_this_machine_asks_like_the_project(folder: Path) -> None:
    """It may be the user's own, and it may be committed: nothing tells the two apart for sure."""
    (folder / "devenv.local.toml").write_text("[apps.web]\nprivileged = true\n")
    (ask,) = trust.unconsented(opened(folder))
    assert ask.where is not None
    assert ask.where.file == "devenv.local.toml"


@pytest.mark.parametrize("line", ["trust = true\n", "[trust]\nyes = true\n", "[apps.web]\ntrusted = true\n"])
def test_no_key_gives_consent(folder: Path, line: str) -> None:
    with pytest.raises(Problems) as caught:
        opened(folder, text=line)
    assert caught.value.problems[0].message.startswith("unknown key")


def test_a_record_within_the_project_is_none(folder: Path) -> None:
    project = opened(folder, "privileged = true")
    inside = replace(project, machine=Machine(state=folder / "state"))
    for act in (trust.unconsented, trust.consent, trust.require):
        with pytest.raises(DevenvError, match="the project, and its containers, could write it themselves"):
            act(inside)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"allowed": true}', '{"allowed": ["MARK"]}', '{"marks": {"MARK": ""}}', "\x00\xff"]
)
def test_a_record_that_nobody_can_read_allows_nothing(folder: Path, content: str) -> None:
    project = opened(folder, "privileged = true")
    trust.consent(project)
    (record,) = (folder.parent / "state/trust").iterdir()
    record.write_text(content.replace("MARK", trust.asked(project)[0].mark))
    assert len(trust.unconsented(project)) == 1


def test_the_record_is_the_user_s_alone_and_says_what_was_allowed(folder: Path) -> None:
    project = opened(folder, "privileged = true")
    trust.consent(project)
    (record,) = (folder.parent / "state/trust").iterdir()
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    told = json.loads(record.read_text())
    assert told["project"] == str(folder)
    assert list(told["allowed"].values()) == words(trust.asked(project))


# --- where it holds ---


@pytest.fixture
def repository(folder: Path) -> Path:
    """A repository with the project in it, committed."""
    shutil.rmtree(folder / ".git")
    opened(folder, "privileged = true\nmounts = { '/a' = '../data' }")
    (folder.parent / "data").mkdir()
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        _git(folder, *arguments)
    return folder


def _git(folder: Path, *arguments: str) -> None:
    own = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, env={"PATH": os.environ["PATH"]})


def load(folder: Path, state: Path) -> Workspace:
    return workspace.load(folder, Machine(state=state))


def test_consent_given_in_the_main_checkout_holds_in_its_worktrees_for_the_same_things(
    repository: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    (tmp_path / "wide/data").mkdir(parents=True)
    _git(repository, "worktree", "add", "-q", str(tmp_path / "near"))
    _git(repository, "worktree", "add", "-q", str(tmp_path / "wide/far"))
    trust.consent(load(repository, state))
    assert trust.unconsented(load(tmp_path / "near", state)) == ()
    # There `../data` is another folder.
    assert [one.kind for one in trust.unconsented(load(tmp_path / "wide/far", state))] == ["mount"]


def test_another_clone_asks_for_itself(repository: Path, tmp_path: Path) -> None:
    _git(tmp_path, "clone", "-q", str(repository), "again")
    trust.consent(load(repository, tmp_path / "state"))
    assert len(trust.unconsented(load(tmp_path / "again", tmp_path / "state"))) == 2


@pytest.mark.parametrize("fakes", [False, True])
def test_a_folder_that_only_says_that_it_is_a_worktree_is_none(repository: Path, tmp_path: Path, fakes: bool) -> None:
    """As an archive may that somebody was sent: `.git` can be in one, though in no repository."""
    state, evil = tmp_path / "state", tmp_path / "evil"
    _git(repository, "worktree", "add", "-q", str(tmp_path / "near"))
    trust.consent(load(repository, state))
    shutil.copytree(tmp_path / "near", evil, symlinks=True)
    if fakes:
        place = evil / "worktrees/near"
        place.mkdir(parents=True)
        (place / "commondir").write_text(f"{repository}/.git\n")
        (place / "gitdir").write_text(f"{evil}/.git\n")
        (evil / ".git").write_text(f"gitdir: {place}\n")
    assert len(trust.unconsented(load(evil, state))) == 2


# --- devenv trust ---


def test_consent_can_be_given_seen_and_withdrawn(folder: Path) -> None:
    project = opened(folder, "privileged = true")
    result = command.run(project)
    assert (result.project, result.missing) == ("shop", result.asks)
    assert command.allow(project, result.missing).missing == ()
    withdrawn = command.withdraw(project)
    assert (withdrawn.withdrawn, len(withdrawn.missing)) == (True, 1)
    assert not command.withdraw(project).withdrawn


def test_the_error_tells_everything_and_the_remedy(folder: Path) -> None:
    with pytest.raises(Untrusted) as caught:
        trust.require(opened(folder, "privileged = true\ncapabilities = []"))
    assert caught.value.message == (
        "`shop` asks for more than its own containers, and you have not allowed it:\n"
        "  `web` runs privileged: it may do what this machine's administrator may  (devenv.toml:5)"
    )
    assert "`devenv trust --yes`" in (caught.value.hint or "")


# --- what runs inside changes what is mounted next ---


def swapping(folder: Path, name: str, target: Path) -> Callable[[Container], Ran]:
    """A program that puts a link in the place of a file or folder of the project, as `web` may."""

    def run(container: Container) -> Ran:
        if container.unit == "redis":
            place = folder / name
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            place.symlink_to(target)
        return Ran()

    return run


@pytest.mark.parametrize("name", ["api", ".devenv/secrets/web/PGPASSWORD"])
def test_a_folder_swapped_for_a_link_while_it_comes_up_is_not_mounted(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "api").mkdir()
    text = (
        'name = "shop"\nimages = "debian"\n[apps.web]\ndir = "api"\nneeds = ["redis", "postgres"]\n'
        "[services.redis]\n[services.postgres]\n"
    )
    world = World(opened(folder, text=text))
    world.engine = MemoryEngine(images=world.engine.images, program=swapping(folder, name, tmp_path / "home"))
    with pytest.raises(DevenvError, match=r"`web` is not started: `.*` leads out of the project by now"):
        world.up()
    assert world.engine.containers["shop-web-1"].status == "created"


def test_a_mount_swapped_for_a_link_while_it_comes_up_needs_consent_first(folder: Path, tmp_path: Path) -> None:
    (folder / "conf").mkdir()
    world = World(opened(folder, "mounts = { '/a' = 'conf' }\nneeds = ['redis']"))
    world.engine = MemoryEngine(images=world.engine.images, program=swapping(folder, "conf", tmp_path / "home"))
    with pytest.raises(Unconsented):
        world.up()
    assert world.engine.containers["shop-web-1"].status == "created"
