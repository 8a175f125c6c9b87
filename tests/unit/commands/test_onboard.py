from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from devenv import environment, lockfile, trust, vault, workspace
from devenv.commands import hooks, onboard, up
from devenv.commands.onboard import OnboardResult
from devenv.engine.apply import StepEvent
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, SeenImage
from devenv.errors import Conflict, DevenvError, EngineError, LockfileError, Problems, UsageError
from devenv.live import Background
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Step
from devenv.model.machine import Machine
from devenv.onboarding.arrival import Means, Request
from devenv.telling import Event, Remark, Tell
from devenv.workspace import Workspace
from tests import projects

TEXT = """\
name = "shop"
images = "debian"

[apps.web]
ports = [8000]
setup = ["true"]
ready = { exec = "true" }

[services.redis]

[tasks.greet]
run = "true"

[tasks.test]
run = "true"

[hooks.lint]
run = "true {files}"
"""
# What has to be consented to, and what has to be brought.
MORE = """
[apps.web.mounts]
"/outside" = "../outside.txt"

[secrets.PAYMENTS_KEY]

[secrets.MAIL_TOKEN]
description = "from the wiki"
"""
ASKS = ("../outside.txt", "PAYMENTS_KEY", "MAIL_TOKEN")
STAGES = ("clone", "machine", "consent", "secrets", "lock", "images", "up", "hooks", "open")


@dataclass(frozen=True)
class Finding:
    state: str
    message: str
    remedy: str | None = None
    fixable: bool = False


FINE = (Finding("ok", "an engine"),)
NO_ENGINE = (Finding("problem", "no container engine answers", "`devenv doctor --fix` installs one", fixable=True),)


def program(container: Container) -> Ran:
    lines = "devenv: setup: true\ndevenv: setup done\n" if container.setup else ""
    return Ran((Chunk("stdout", lines.encode()),))


class World:
    """A repository, a machine, and people who say yes."""

    def __init__(self, folder: Path, text: str = TEXT) -> None:
        self.folder = folder
        self.source = folder / "shop"
        self.source.mkdir()
        (self.source / "devenv.toml").write_text(text)
        self.git("init", "-q", "-b", "main")
        self.machine = Machine(state=folder / "state", cache=folder / "cache", watch=False)
        self.engine = MemoryEngine(program=program)
        self.findings: Sequence[Finding] = FINE
        self.questions: list[str] = []
        self.shown: list[tuple[str, ...]] = []
        self.entered = 0
        self.opened: list[str] = []
        self.repaired = 0
        self.told: list[Event] = []
        self.answers = True

    def git(self, *arguments: str) -> None:
        own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *own, *arguments], cwd=self.source, check=True, capture_output=True)

    def locked(self) -> None:
        """Commit a lockfile, and have the images it names."""
        project = workspace.load(self.source, self.machine)
        lockfile.write(self.source, projects.lock(project.project))
        for image in workspace.resolve(project, "amd64", records=False).images:
            self.engine.images[image.reference] = SeenImage(image.key, f"sha256:{image.key}", {labels.PIN: image.key})
        self.commit()

    def commit(self) -> None:
        self.git("add", "devenv.toml", *(("devenv.lock",) if (self.source / "devenv.lock").exists() else ()))
        self.git("commit", "-q", "--allow-empty", "-m", "1")

    def go(
        self, url: str | None = None, *, alone: bool = False, start: Path | None = None, **asked: object
    ) -> OnboardResult:
        """Onboard.

        Args:
            alone: Whether nobody sits there.
        """
        request = replace(Request(start or self.folder, self.machine, url=url), **asked)  # type: ignore[arg-type]
        means = self.means()
        if alone:
            means = replace(means, ask=None, enter=None)
        return onboard.run(request, means, tell=self.told.append, hear=lambda _: None)

    def means(self) -> Means:
        return Means(
            examine=self._examine,
            connect=lambda: self.engine,
            alone=_alone,
            up=self._up,
            install=hooks.install,
            show=lambda project: self.shown.append(tuple(one.words for one in trust.asked(project))),
            ask=self._ask,
            enter=self._enter,
            browse=self._browse,
        )

    def _examine(self, _: Workspace, fix: bool) -> Sequence[Finding]:
        if fix:
            self.repaired += 1
            self.findings = FINE
        return self.findings

    def _browse(self, address: str) -> bool:
        self.opened.append(address)
        return True

    def _enter(self, project: Workspace) -> None:
        self.entered += 1
        for one in vault.missing(project):
            vault.keep(project, one.name, f"value of {one.name}")

    def _ask(self, question: str) -> bool:
        self.questions.append(question)
        return self.answers

    def _up(self, project: Workspace, engine: object, tell: Tell) -> up.UpResult:
        return up.run(project, self.engine, Background(project, "memory://"), tell=tell)


@contextmanager
def _alone(_project: Workspace, _engine: object) -> Iterator[None]:
    yield


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.locked()
    return made


@pytest.fixture
def demanding(tmp_path: Path) -> World:
    """Whose project asks for something outside of it and for secrets."""
    made = World(tmp_path, TEXT + MORE)
    (tmp_path / "outside.txt").write_text("")
    made.locked()
    return made


def states(result: OnboardResult) -> dict[str, str]:
    if result.problem is not None and result.stages[-1].state != "failed":
        raise result.problem
    return {one.stage: one.state for one in result.stages}


def words(result: OnboardResult, stage: str) -> str:
    return next(one.words for one in result.stages if one.stage == stage)


# --- the whole way ---


def test_the_stages_read_aloud() -> None:
    assert tuple(one.name for one in onboard.STAGES) == STAGES


def test_from_an_address_to_an_environment_that_is_up(world: World) -> None:
    there = world.folder / "clone"
    result = world.go(str(world.source), folder="clone")
    assert result.problem is None
    assert states(result) == {
        "clone": "done", "machine": "already", "consent": "none", "secrets": "none", "lock": "already",
        "images": "already", "up": "done", "hooks": "done", "open": "done",
    }  # fmt: skip
    assert (result.folder, result.instance, result.ahead) == (there, "shop", ())
    assert world.engine.containers["shop-web-1"].status == "running"
    assert "hooks run --stage pre-commit" in (there / ".git/hooks/pre-commit").read_text()
    assert world.opened == ["http://127.0.0.1:8000"]
    assert [one.command for one in result.next] == ["devenv run test", "devenv shell web", "devenv logs -f"]
    assert result.seconds >= sum(one.seconds for one in result.stages) - 0.001


def test_the_second_time_everything_is_only_looked_at(world: World) -> None:
    world.go(str(world.source), folder="clone")
    calls = len(world.engine.containers)
    again = world.go(str(world.source), folder="clone", start=world.folder)
    assert set(states(again).values()) == {"already", "none", "done"}
    assert [name for name, state in states(again).items() if state == "done"] == ["open"]  # for it was wished for
    assert len(world.engine.containers) == calls
    inside = world.go(start=world.folder / "clone")
    assert states(inside)["clone"] == "already"


def test_given_again_inside_the_clone_the_address_leads_to_it(world: World) -> None:
    world.go(str(world.source), folder="clone")
    (world.folder / "clone" / "deep").mkdir()
    again = world.go(str(world.source), start=world.folder / "clone" / "deep")
    assert (again.folder, states(again)["clone"]) == (world.folder / "clone", "already")


def test_the_time_of_a_setup_is_told_by_itself(world: World) -> None:
    result = world.go(start=world.source)
    assert list(next(one.parts for one in result.stages if one.stage == "up")) == ["setup of web"]


def test_commands_that_come_next_carry_the_options_of_this_one(world: World) -> None:
    result = world.go(start=world.source, options=("--engine", "tcp://here:1"))
    assert result.next[0].command == "devenv --engine tcp://here:1 run test"


def test_a_project_without_apps_and_tasks_has_three_commands_too(tmp_path: Path) -> None:
    world = World(tmp_path, 'images = "debian"\n[services.redis]\n')
    world.locked()
    result = world.go(start=world.source)
    assert [one.command for one in result.next] == ["devenv logs -f", "devenv connect redis", "devenv status"]


# --- each stage ---


def test_a_repository_that_is_no_project_is_told_what_to_do(tmp_path: Path) -> None:
    world = World(tmp_path)
    (world.source / "devenv.toml").rename(world.source / "README")
    (tmp_path / "devenv.toml").write_text('name = "above"\n')
    world.git("add", ".")
    world.git("commit", "-q", "-m", "1")
    result = world.go(str(world.source), folder="clone")
    assert result.problem is not None
    assert result.problem.message == f"`{world.source}` has no `devenv.toml`"
    assert result.problem.hint is not None
    assert f"`devenv -C {tmp_path}/clone init` writes one" in result.problem.hint
    assert result.ahead == STAGES[1:]


def test_a_project_below_the_top_of_its_repository_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    (world.source / "api").mkdir()
    (world.source / "devenv.toml").rename(world.source / "api" / "devenv.toml")
    world.git("add", ".")
    world.git("commit", "-q", "-m", "1")
    result = world.go(str(world.source), folder="clone")
    assert result.problem is not None
    assert result.problem.hint == f"there is one in `api`: `devenv -C {tmp_path}/clone/api onboard` goes on there"


def test_no_name_in_a_repository_makes_a_command_do_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    (world.source / "$(id);x").mkdir()
    (world.source / "devenv.toml").rename(world.source / "$(id);x" / "devenv.toml")
    world.git("add", ".")
    world.git("commit", "-q", "-m", "1")
    result = world.go(str(world.source), folder="clone")
    assert result.problem is not None
    assert result.problem.hint is not None
    assert f"`devenv -C '{tmp_path}/clone/$(id);x' onboard`" in result.problem.hint


def test_scripts_that_another_tool_has_moved_are_found_too(world: World) -> None:
    world.go(start=world.source)
    folder = world.source / ".git" / "hooks"
    (folder / "pre-commit").rename(folder / "pre-commit.legacy")
    (folder / "pre-commit").write_text("#!/bin/sh\nexec ./pre-commit.legacy\n")
    assert words(world.go(start=world.source), "hooks") == "before each commit"


def test_a_folder_that_is_no_project_is_told_of_init(tmp_path: Path) -> None:
    world = World(tmp_path)
    result = world.go(start=tmp_path)
    assert result.problem is not None
    assert result.problem.message == f"no `devenv.toml` in `{tmp_path}` or above it"
    assert result.problem.hint is not None
    assert "`devenv init`" in result.problem.hint


def test_submodules_that_were_not_fetched_are_told_of(world: World) -> None:
    (world.source / ".gitmodules").write_text("")
    world.git("add", ".gitmodules")
    world.commit()
    world.go(str(world.source), folder="clone")
    assert [one for one in world.told if isinstance(one, Remark) and "submodules" in one.text]


def test_an_engine_is_brought_after_a_yes(world: World) -> None:
    world.findings = NO_ENGINE
    result = world.go(start=world.source)
    assert states(result)["machine"] == "done"
    assert world.questions == ["no container engine answers\n  `devenv doctor --fix` installs one\nDo that?"]


def test_with_yes_an_engine_is_brought_without_a_question(world: World) -> None:
    world.findings = NO_ENGINE
    assert world.go(start=world.source, alone=True, repairs=True).problem is None
    assert (world.questions, world.repaired) == ([], 1)


def test_after_a_no_nothing_is_repaired(world: World) -> None:
    world.findings, world.answers = NO_ENGINE, False
    result = world.go(start=world.source)
    assert isinstance(result.problem, EngineError)
    assert (world.repaired, result.ahead) == (0, STAGES[2:])


def test_what_cannot_be_repaired_is_not_asked_about(world: World) -> None:
    world.findings = (Finding("problem", "no engine", "install one"), Finding("problem", "no disk", "free some"))
    result = world.go(start=world.source, repairs=True)
    assert isinstance(result.problem, Problems)
    assert [one.hint for one in result.problem.problems] == ["install one", "free some"]
    assert world.repaired == 0


def test_warnings_of_the_machine_keep_nobody(world: World) -> None:
    world.findings = (*FINE, Finding("warning", "little disk", "free some"))
    assert words(world.go(start=world.source), "machine").endswith("; `devenv doctor` has 1 warning")


def test_a_no_to_what_the_project_asks_for_starts_nothing(demanding: World) -> None:
    demanding.answers = False
    result = demanding.go(start=demanding.source)
    assert isinstance(result.problem, trust.Refused)
    assert (result.stages[-1].stage, demanding.engine.containers) == ("consent", {})
    assert all(f"`{ask}`" in one for one, ask in zip(demanding.shown[0], ASKS, strict=True)), demanding.shown
    assert trust.unconsented(workspace.load(demanding.source, demanding.machine))


def test_consent_and_secrets_are_asked_for_once(demanding: World) -> None:
    result = demanding.go(start=demanding.source)
    assert result.problem is None
    assert (states(result)["consent"], states(result)["secrets"]) == ("done", "done")
    assert words(result, "secrets") == "PAYMENTS_KEY, MAIL_TOKEN"
    again = demanding.go(start=demanding.source)
    assert (states(again)["consent"], states(again)["secrets"]) == ("already", "already")
    assert (len(demanding.questions), demanding.entered) == (1, 1)


def test_a_changed_ask_is_asked_for_again(demanding: World) -> None:
    demanding.go(start=demanding.source)
    toml = demanding.source / "devenv.toml"
    (demanding.folder / "other.txt").write_text("")
    toml.write_text(toml.read_text().replace("outside.txt", "other.txt"))
    assert states(demanding.go(start=demanding.source))["consent"] == "done"
    assert len(demanding.questions) == 2


def test_secrets_alone_are_no_question_of_consent(tmp_path: Path) -> None:
    world = World(tmp_path, TEXT + "[secrets.KEY]\n")
    world.locked()
    result = world.go(start=world.source)
    assert (states(result)["consent"], states(result)["secrets"]) == ("none", "done")
    assert world.questions == []


def test_where_nobody_sits_everything_that_is_missing_is_told_at_once(demanding: World) -> None:
    demanding.findings = NO_ENGINE
    result = demanding.go(start=demanding.source, alone=True)
    assert isinstance(result.problem, Problems)
    said = [one.message.partition("\n")[0] for one in result.problem.problems]
    assert said == [
        "no container engine answers",
        "`shop` asks for more than its own containers, and you have not allowed it:",
        "the secret `PAYMENTS_KEY` has no value",
        "the secret `MAIL_TOKEN` has no value: from the wiki",
    ]
    assert all(one.hint for one in result.problem.problems)
    assert (demanding.questions, demanding.engine.containers) == ([], {})


def test_with_an_engine_what_is_missing_is_told_in_the_stage_of_consent(demanding: World) -> None:
    result = demanding.go(start=demanding.source, alone=True, repairs=True)
    assert isinstance(result.problem, Problems)
    assert (result.stages[-1].stage, len(result.problem.problems)) == ("consent", 3)


def test_yes_is_no_consent(tmp_path: Path) -> None:
    world = World(tmp_path, TEXT + MORE.partition("[secrets")[0])
    (tmp_path / "outside.txt").write_text("")
    world.locked()
    result = world.go(start=world.source, alone=True, repairs=True)
    assert isinstance(result.problem, trust.Unconsented)
    assert world.go(start=world.source, alone=True, consents=True).problem is None
    assert len(world.shown) == 1


def test_with_trust_a_secret_may_come_from_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTS_KEY", "canary-9f2c")
    world = World(tmp_path, TEXT + "[secrets.PAYMENTS_KEY]\n")
    world.locked()
    unasked = world.go(start=world.source, alone=True)
    assert unasked.problem is not None
    assert unasked.stages[-1].stage == "secrets"
    result = world.go(start=world.source, alone=True, consents=True)
    assert (states(result)["consent"], states(result)["secrets"]) == ("done", "already")


def test_what_is_mounted_and_not_there_is_told_before_anything_is_begun(demanding: World) -> None:
    (demanding.folder / "outside.txt").unlink()
    result = demanding.go(start=demanding.source)
    assert result.problem is not None
    assert result.stages[-1].stage == "consent"
    assert "has no such file or folder" in result.problem.message


def test_a_lockfile_that_is_stale_is_named(world: World) -> None:
    (world.source / "devenv.toml").write_text(TEXT + "[services.postgres]\n")
    result = world.go(start=world.source)
    assert isinstance(result.problem, LockfileError)
    assert "`devenv.lock` is stale" in result.problem.message
    assert result.ahead == STAGES[5:]


def test_a_project_that_pins_nothing_needs_no_lockfile(tmp_path: Path) -> None:
    world = World(tmp_path, 'name = "shop"\n')
    result = world.go(start=world.source)
    assert (states(result)["lock"], states(result)["up"], states(result)["open"]) == ("none", "done", "none")


def test_images_are_counted_by_how_they_came(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring(_project: object, _engine: object, wanted: Blueprint, _units: object, *, tell: Tell) -> None:
        for verb, image in zip(("build", "pull"), wanted.images, strict=True):
            step = Step(verb, "image", image.reference, "missing")  # type: ignore[arg-type]
            tell(StepEvent(step, "started"))
            tell(StepEvent(step, "done", 1.0))

    monkeypatch.setattr(environment, "bring", bring)
    assert words(world.go(start=world.source), "images") == "2 images, 1 built and 1 pulled"


def test_an_image_that_cannot_be_had_is_gone_on_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(environment, "bring", broken)
        failed = world.go(start=world.source)
        assert (failed.stages[-1].stage, failed.stages[-1].words) == ("images", "no")
    assert words(world.go(start=world.source), "images") == "2 images, all there"


def test_a_missing_lockfile_is_written_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from devenv import pinning

    made = lockfile.read(world.source)
    assert made is not None
    (world.source / "devenv.lock").unlink()
    monkeypatch.setattr(pinning, "complete", lambda *_, **__: made)
    assert words(world.go(start=world.source), "lock") == "wrote devenv.lock; commit it"
    assert lockfile.read(world.source) is not None
    assert words(world.go(start=world.source), "lock") == "devenv.lock covers the project"


def test_without_hooks_or_a_repository_nothing_is_installed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.locked()
    subprocess.run(["rm", "-rf", world.source / ".git"], check=True)
    assert words(world.go(start=world.source), "hooks") == "this is no git repository"


def test_where_there_is_no_browser_the_address_is_told(world: World) -> None:
    means = replace(world.means(), browse=lambda _: False)
    result = onboard.run(Request(world.source, world.machine), means, tell=world.told.append, hear=lambda _: None)
    assert words(result, "open") == "http://127.0.0.1:8000; there is no browser to open it in"


# --- going on ---


def broken(*_: object, **__: object) -> DevenvError:
    raise Conflict("no")


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("machine", "examine"),
        ("machine", "connect"),
        ("consent", "show"),
        ("consent", "ask"),
        ("secrets", "enter"),
        ("lock", "alone"),
        ("up", "up"),
        ("hooks", "install"),
        ("open", "browse"),
    ],
)
def test_what_failed_is_gone_on_with(demanding: World, stage: str, name: str) -> None:
    failing: Callable[..., object] = broken
    means = replace(demanding.means(), **{name: failing})  # type: ignore[arg-type]
    request = Request(demanding.folder, demanding.machine, url=str(demanding.source), folder="clone")
    failed = onboard.run(request, means, tell=demanding.told.append, hear=lambda _: None)
    assert (failed.stages[-1].stage, failed.stages[-1].state) == (stage, "failed")
    assert failed.ahead == STAGES[STAGES.index(stage) + 1 :]
    again = demanding.go(str(demanding.source), folder="clone")
    assert again.problem is None
    before = {one.stage for one in failed.stages[:-1]}
    assert {one.stage for one in again.stages if one.state == "done"} & before == set()
    assert (len(demanding.questions), demanding.entered) == (1, 1)


def test_a_bug_is_not_taken_for_a_failure(world: World) -> None:
    def buggy(_: Workspace, __: bool) -> Sequence[Finding]:
        raise ZeroDivisionError

    means = replace(world.means(), examine=buggy)
    with pytest.raises(ZeroDivisionError):
        onboard.run(Request(world.source, world.machine), means, tell=world.told.append, hear=lambda _: None)


def test_an_address_that_is_none_is_a_mistake_of_the_command_line(world: World) -> None:
    assert isinstance(world.go("ext::sh -c id").problem, UsageError)
