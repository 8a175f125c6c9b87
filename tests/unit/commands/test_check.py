"""What `devenv check` finds in a project on disk, and what it puts right; without network and engine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import config, identity, lockfile, render, workspace
from devenv.commands import check
from devenv.commands.check import CheckResult
from devenv.errors import DevenvError, LockfileError, UsageError
from devenv.model.blueprint import Placement
from devenv.model.machine import Machine
from devenv.model.pins import Lockfile
from tests import projects

REDIS = 'name = "shop"\nimages = "debian"\n[services.redis]\n'
SHOP = REDIS + '[apps.web]\nrun = "perl server.pl"\nports = [8000]\nneeds = ["redis"]\n'
COMPOSE = ".devenv/compose.yaml"
DOCKERFILE = ".devenv/web/Dockerfile"
# Nothing listens there, so that whoever asks the mirror fails.
OFFLINE = Machine(mirror="http://127.0.0.1:9/debian")
ENTRY = 'summary = "Cache"\ndocs = "https://example.org"\n'


def made(folder: Path, text: str = SHOP, *, lock: str | None = None) -> Path:
    """A project with a lockfile that covers `lock`, by default itself."""
    (folder / config.NAME).write_text(lock or text)
    (folder / lockfile.NAME).unlink(missing_ok=True)
    lockfile.write(folder, projects.lock(config.load(folder)))
    (folder / config.NAME).write_text(text)
    return folder


@pytest.fixture(autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's state folder is wherever a test runs: not in the repository."""
    monkeypatch.chdir(tmp_path_factory.mktemp("state"))


def found(folder: Path) -> list[str]:
    return [one.message for one in check.run(folder, OFFLINE).problems]


def fixed(folder: Path, machine: Machine = OFFLINE) -> CheckResult:
    return check.fix(folder, machine, profile=None, architecture="amd64", report=lambda _: None)


def git(folder: Path, *arguments: str, code: int = 0) -> None:
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr


def rendered(folder: Path, *tracked: str) -> None:
    """Render, and put the files named under git."""
    project = workspace.load(folder, OFFLINE)
    render.write(workspace.resolve(project, "amd64"), folder, lambda: identity.current(project))
    git(folder, "init")
    git(folder, "add", "--force", *tracked)


# --- config ---


def test_a_project_in_order_has_no_problems(tmp_path: Path) -> None:
    result = check.run(made(tmp_path) / ".", OFFLINE)
    assert (result.problems, result.fixed, result.name, result.folder) == ((), (), "shop", tmp_path)


def test_every_unit_of_a_blueprint_is_judged_and_not_the_first_alone(tmp_path: Path) -> None:
    text = SHOP + '[services.postgres]\ninit = ["a.sql"]\n[services.other]\nuse = "postgres"\ninit = ["b.sql"]\n'
    expected = [
        "`init` of service `postgres`: no file matches `a.sql`",
        "`init` of service `other`: no file matches `b.sql`",
    ]
    assert found(made(tmp_path, text)) == expected
    (tmp_path / lockfile.NAME).unlink()
    assert found(tmp_path) == [*expected, "there is no `devenv.lock`"]


def test_an_unknown_profile_is_a_mistake_of_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="profile `ci`"):
        check.run(made(tmp_path), OFFLINE, profile="ci")


def test_config_lockfile_and_catalog_are_judged_in_one_run(tmp_path: Path) -> None:
    edited(made(tmp_path))
    (tmp_path / config.NAME).write_text(SHOP + "colour = 1\n")
    own(tmp_path, "services/cache.toml", ENTRY + "port = 1\n")
    assert found(tmp_path) == [
        "unknown key `colour` in `apps.web`",
        "`port`: unexpected keyword argument",
        "`devenv.lock` was changed by hand: its checksum does not fit",
    ]


# --- the lockfile ---


def edited(folder: Path) -> Path:
    path = folder / lockfile.NAME
    path.write_text(path.read_text().replace("redis-server 1.0-1 ", "redis-server 1.0-2 "))
    return path


def test_a_missing_lockfile_is_found_where_one_is_needed(tmp_path: Path) -> None:
    (tmp_path / config.NAME).write_text('name = "shop"\n')
    assert found(tmp_path) == []
    (tmp_path / config.NAME).write_text(REDIS)
    assert found(tmp_path) == ["there is no `devenv.lock`"]


def test_a_stale_lockfile_is_told_once_for_all_architectures(tmp_path: Path) -> None:
    made(tmp_path, SHOP + 'packages = ["git"]\n', lock=SHOP)
    both(tmp_path)
    assert found(tmp_path) == ["`devenv.lock` is stale: `packages/web` has no pin"]


def test_a_stale_lockfile_names_the_architectures_that_differ(tmp_path: Path) -> None:
    made(tmp_path, f'platforms = ["amd64", "arm64"]\n{SHOP}')
    assert found(tmp_path) == ["`devenv.lock` is stale on arm64: it has no pins for arm64"]


def both(folder: Path) -> None:
    """Lock for arm64 what is locked for amd64."""
    lock = lockfile.read(folder)
    assert lock is not None
    pins = lock.platforms["amd64"]
    lockfile.write(folder, replace(lock, platforms={**lock.platforms, "arm64": replace(pins, architecture="arm64")}))


def test_an_architecture_that_the_project_does_not_name_is_too_much(tmp_path: Path) -> None:
    both(made(tmp_path, f'platforms = ["amd64"]\n{SHOP}'))
    assert found(tmp_path) == ["`devenv.lock` pins more than `devenv.toml` asks for"]
    assert fixed(tmp_path).problems == ()
    assert list((lockfile.read(tmp_path) or Lockfile("", {})).platforms) == ["amd64"]


def test_a_lockfile_that_pins_nothing_is_stale(tmp_path: Path) -> None:
    made(tmp_path)
    lockfile.write(tmp_path, Lockfile("0" * 64, {}))
    assert found(tmp_path) == ["`devenv.lock` is stale: it pins nothing"]


def test_a_lockfile_that_pins_more_is_pruned_without_a_network(tmp_path: Path) -> None:
    made(tmp_path, REDIS, lock=SHOP + 'packages = ["git"]\n')
    result = fixed(tmp_path)
    assert (result.problems, result.fixed) == ((), ("`devenv.lock` pins more than `devenv.toml` asks for",))
    assert "packages/web" not in (tmp_path / lockfile.NAME).read_text()
    assert found(tmp_path) == []


def test_what_an_overlay_adds_is_not_too_much(tmp_path: Path) -> None:
    made(tmp_path, REDIS, lock=SHOP)
    (tmp_path / config.LOCAL_NAME).write_text("[services.redis]\nport = 6380\n")
    assert found(tmp_path) == []


def test_both_sides_of_a_merge_are_put_together_without_a_network(tmp_path: Path) -> None:
    postgres = REDIS.replace("redis", "postgres")
    git(tmp_path, "init")
    for branch, text in (("main", 'images = "debian"\n[apps.a]\n'), ("theirs", REDIS), ("main", postgres)):
        git(tmp_path, "switch", *(["-c"] if text in (REDIS, 'images = "debian"\n[apps.a]\n') else []), branch)
        made(tmp_path, text)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", branch)
    git(tmp_path, "merge", "theirs", code=1)
    (tmp_path / config.NAME).write_text(REDIS + "[services.postgres]\n")
    assert found(tmp_path) == ["`devenv.lock` holds both sides of a merge"]
    result = fixed(tmp_path)
    assert (result.problems, result.fixed) == ((), ("`devenv.lock` holds both sides of a merge",))
    assert set(projects.layers(lockfile.read(tmp_path) or Lockfile("", {}))) == {
        "base",
        "service/postgres@17",
        "service/redis@8",
    }


@pytest.mark.parametrize(
    "content", ['{"nodes": {}}\n', lockfile.HEADER + "format = 2\n", lockfile.HEADER + "format = 9\n"]
)
def test_a_foreign_or_damaged_lockfile_is_told_and_left_alone(tmp_path: Path, content: str) -> None:
    path = made(tmp_path) / lockfile.NAME
    path.write_text(content)
    (problem,) = fixed(tmp_path).problems
    assert isinstance(problem, LockfileError)
    assert path.read_text() == content


def test_a_lockfile_changed_by_hand_is_left_alone(tmp_path: Path) -> None:
    path = edited(made(tmp_path))
    before = path.read_text()
    result = fixed(tmp_path)
    assert [one.message for one in result.problems] == ["`devenv.lock` was changed by hand: its checksum does not fit"]
    assert (result.fixed, path.read_text()) == ((), before)


def test_what_cannot_be_completed_stays_told_with_the_reason(tmp_path: Path) -> None:
    before = (made(tmp_path, SHOP + 'packages = ["git"]\n', lock=SHOP) / lockfile.NAME).read_text()
    result = fixed(tmp_path, replace(OFFLINE, cache=tmp_path / "cache"))
    assert [one.message for one in result.problems] == [
        "`devenv.lock` is stale: `packages/web` has no pin",
        "the mirror `127.0.0.1:9` cannot be used: connection refused",
    ]
    assert (result.fixed, (tmp_path / lockfile.NAME).read_text()) == ((), before)


def test_nothing_is_fixed_of_a_project_that_cannot_be_read(tmp_path: Path) -> None:
    made(tmp_path, "colour = 1\n", lock=SHOP)
    before = (tmp_path / lockfile.NAME).read_text()
    assert [one.message for one in fixed(tmp_path).problems] == ["unknown key `colour`"]
    assert (tmp_path / lockfile.NAME).read_text() == before


# --- the project's own files of the catalog ---


def own(folder: Path, name: str, text: str) -> Path:
    path = folder / ".devenv" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", ["services", "stacks"])
def test_an_entry_that_nothing_uses_is_judged_too(tmp_path: Path, kind: str) -> None:
    own(made(tmp_path), f"{kind}/cache.toml", 'summary = "Cache"\ndocs = 7\n')
    (problem,) = check.run(tmp_path, OFFLINE).problems
    assert problem.message == "`docs`: input should be a valid string"
    assert (problem.where and (problem.where.file, problem.where.line)) == (f".devenv/{kind}/cache.toml", 2)


def test_a_wrong_entry_in_use_is_told_once(tmp_path: Path) -> None:
    own(made(tmp_path), "services/redis.toml", "docs = 7\n")
    assert found(tmp_path) == ["`summary`: field required", "`docs`: input should be a valid string"]


def test_files_that_an_entry_names_must_be_in_its_folder(tmp_path: Path) -> None:
    debian = '[debian]\ndefault = {trixie = "1"}\nfiles = [{path = "/a", source = "../cache.toml"}, {path = "/b"}]\n'
    packages = '[debian.packages.trixie]\n1 = ["redis"]\n'
    registry = '[registry]\nimage = "cache"\ndefault = "1"\nversions = ["1"]\nwrapper = "start.sh"\n'
    own(made(tmp_path), "services/cache.toml", ENTRY + debian + packages + registry)
    first, second = check.run(tmp_path, OFFLINE).problems
    assert first.message == "there is no file `../cache.toml` in `.devenv/services/cache/`"
    assert second.message == "there is no file `start.sh` in `.devenv/services/cache/`"
    assert second.where is not None
    assert (second.where.line, second.where.text) == (12, 'wrapper = "start.sh"')
    own(tmp_path, "services/cache/start.sh", 'exec "$@"\n')
    assert len(found(tmp_path)) == 1


# --- rendered files ---


def test_committed_files_that_are_current_pass_on_every_machine(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    rendered(made(here), COMPOSE, DOCKERFILE)
    shutil.copytree(here, there)
    assert found(there) == []
    other = Machine(user="1234:1234", proxy={"HTTP_PROXY": "http://proxy:3128"})
    assert check.run(there, other).problems == ()


def test_a_committed_compose_file_of_another_environment_is_stale(tmp_path: Path) -> None:
    rendered(made(tmp_path), COMPOSE)
    made(tmp_path, SHOP.replace("perl server.pl", "perl other.pl"))
    (problem,) = check.run(tmp_path, OFFLINE).problems
    current = identity.current(workspace.load(tmp_path, OFFLINE))
    assert problem.message == f"`{COMPOSE}` is stale: it is not of environment {current}"
    assert (problem.where and (problem.where.file, problem.where.line)) == (COMPOSE, 3)


def test_a_committed_dockerfile_is_compared_whole(tmp_path: Path) -> None:
    rendered(made(tmp_path), DOCKERFILE)
    path = tmp_path / DOCKERFILE
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], "CMD [7]", ""]))
    (problem,) = check.run(tmp_path, OFFLINE).problems
    assert problem.message == f"`{DOCKERFILE}` is stale: it is not what is rendered now"
    assert (problem.where and (problem.where.line, problem.where.text)) == (len(lines), "CMD [7]")


def test_a_dockerfile_of_any_architecture_that_is_locked_is_current(tmp_path: Path) -> None:
    both(made(tmp_path))
    rendered(tmp_path, DOCKERFILE)
    project = workspace.load(tmp_path, OFFLINE)
    (tmp_path / DOCKERFILE).write_text(render.files(workspace.resolve(project, "arm64"), "")[DOCKERFILE])
    assert found(tmp_path) == []


def test_a_committed_dockerfile_of_an_app_that_is_gone_is_told(tmp_path: Path) -> None:
    rendered(made(tmp_path), DOCKERFILE)
    made(tmp_path, SHOP.replace("apps.web", "apps.site"))
    (problem,) = check.run(tmp_path, OFFLINE).problems
    assert problem.message == f"`{DOCKERFILE}` is stale: nothing is rendered there any more"
    assert problem.hint == f"run `git rm {DOCKERFILE}`"


def test_what_is_not_committed_may_be_stale(tmp_path: Path) -> None:
    rendered(made(tmp_path), lockfile.NAME)
    made(tmp_path, SHOP.replace("perl server.pl", "perl other.pl"))
    assert found(tmp_path) == []
    shutil.rmtree(tmp_path / ".git")
    assert found(tmp_path) == []


def test_a_dockerfile_that_people_wrote_is_none_of_ours(tmp_path: Path) -> None:
    own(made(tmp_path), "tools/Dockerfile", "FROM scratch\n")
    rendered(tmp_path, ".devenv/tools/Dockerfile")
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    "damage", [{COMPOSE: "# environment 0"}, {DOCKERFILE: "FROM x\n"}, {COMPOSE: "", DOCKERFILE: ""}]
)
def test_stale_committed_files_are_rendered_again(tmp_path: Path, damage: Mapping[str, str]) -> None:
    rendered(made(tmp_path), COMPOSE, DOCKERFILE)
    before = {path: (tmp_path / path).read_text() for path in (COMPOSE, DOCKERFILE)}
    for path, text in damage.items():
        (tmp_path / path).write_text(text)
    result = fixed(tmp_path)
    assert (result.problems, len(result.fixed)) == ((), len(damage))
    assert {path: (tmp_path / path).read_text() for path in before} == before


def test_rendered_files_are_judged_after_the_lockfile_was_fixed(tmp_path: Path) -> None:
    rendered(made(tmp_path), COMPOSE)
    made(tmp_path, SHOP.replace("8000", "9000"), lock=SHOP + 'packages = ["git"]\n')
    result = fixed(tmp_path)
    assert [one.split(":")[0] for one in result.fixed] == [
        "`devenv.lock` pins more than `devenv.toml` asks for",
        f"`{COMPOSE}` is stale",
    ]
    assert result.problems == ()


def test_dockerfiles_hold_nothing_of_a_machine(tmp_path: Path) -> None:
    project = config.load(made(tmp_path))
    pins = projects.pins(project)
    from devenv import blueprint

    here = blueprint.make(project, projects.CATALOG, pins, Placement("shop", "/a", user="1:1"))
    there = blueprint.make(
        project, projects.CATALOG, pins, Placement("other", "/b", env={"HTTP_PROXY": "x"}, certificates="/c.pem")
    )
    assert render.files(here, "")[DOCKERFILE] == render.files(there, "")[DOCKERFILE]


def test_no_project_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(DevenvError, match=r"no `devenv\.toml`"):
        check.run(tmp_path, OFFLINE)
