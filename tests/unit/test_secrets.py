"""The key of a checkout, the passwords made from it, the files they are in, and data that was made with others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from devenv import blueprint, secrets, workspace
from devenv.errors import DevenvError, Problems
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Fingerprint, Observed, SeenObject
from devenv.model.machine import Machine
from devenv.model.project import Project
from devenv.workspace import Workspace
from tests import projects

HARD = "p@ss/w:rd ?#%&$'\"\\é"
ROOT = Path(__file__).parents[2]


def shop(root: Path, **options: object) -> Workspace:
    services = (projects.service(options=options), projects.service("mariadb"), projects.service("redis"))
    web = projects.app(needs=("postgres", "mariadb", "redis"), stacks=())
    project = projects.project(root, apps=(web,), services=services)
    (root / "devenv.toml").write_text("[services.postgres]\n[services.mariadb]\n")
    return Workspace(root, project, projects.CATALOG, Machine(state=root / "state"))


def values(opened: Workspace) -> dict[str, str]:
    return secrets.values(opened.project, opened.entries)


def wanted(opened: Workspace, *, copies: bool = False) -> Blueprint:
    place = workspace.placement(opened, copies=copies)
    return blueprint.make(opened.project, opened.entries, projects.pins(opened.project), place)


def written(opened: Workspace, *, copies: bool = False) -> dict[str, str]:
    """Every file of secrets but the key, once they are written."""
    secrets.write(opened.project, opened.entries, wanted(opened, copies=copies))
    folder = opened.folder / secrets.FOLDER
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != secrets.KEY)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


# --- the key and what is made from it ---


def test_passwords_are_long_stable_and_each_its_own(tmp_path: Path) -> None:
    found = values(shop(tmp_path))
    assert set(found) == {"postgres.password", "mariadb.password"}
    assert all(len(one) >= 24 and one.isascii() and one.isalnum() for one in found.values())
    assert len(set(found.values())) == 2
    assert values(shop(tmp_path)) == found


def test_each_checkout_has_passwords_of_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert values(shop(tmp_path / "one")) != values(shop(tmp_path / "two"))


def test_a_given_one_is_taken_as_it_is(tmp_path: Path) -> None:
    assert values(shop(tmp_path, password=HARD))["postgres.password"] == HARD


def test_the_key_is_for_its_owner_alone_and_ignored_by_git(tmp_path: Path) -> None:
    values(shop(tmp_path))
    folder = tmp_path / secrets.FOLDER
    assert (folder.stat().st_mode & 0o777, (folder / secrets.KEY).stat().st_mode & 0o777) == (0o700, 0o600)
    assert [path.name for path in folder.iterdir()] == [secrets.KEY]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    listed = ["git", "ls-files", "-o", "--exclude-standard", ".devenv"]
    assert subprocess.run(listed, cwd=tmp_path, check=True, capture_output=True).stdout == b""


def test_a_project_without_secrets_gets_no_key(tmp_path: Path) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis"),))
    assert secrets.fingerprints(project, projects.CATALOG) == {}
    assert not (tmp_path / ".devenv").exists()


def test_those_who_make_the_key_at_once_get_the_same(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from devenv import secrets
sys.stdin.read()
print(secrets._key(Path({str(tmp_path)!r})).hex())
"""
    command = [sys.executable, "-c", program]
    several = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for one in several:
        assert one.stdin is not None
        one.stdin.close()
        one.stdin = None
    found = {one.communicate()[0] for one in several}
    assert len(found) == 1
    assert len(found.pop().strip()) == 64


def test_a_damaged_key_is_told_with_the_remedy(tmp_path: Path) -> None:
    values(shop(tmp_path))
    (tmp_path / secrets.FOLDER / secrets.KEY).write_bytes(b"short")
    with pytest.raises(DevenvError, match="is damaged") as caught:
        values(shop(tmp_path))
    assert caught.value.hint is not None
    assert "devenv reset" in caught.value.hint


def test_fingerprints_change_with_the_value_and_the_key_and_are_no_plain_hashes(tmp_path: Path) -> None:
    def found(opened: Workspace) -> Fingerprint:
        return secrets.fingerprints(opened.project, opened.entries)["postgres.password"]

    first, other = found(shop(tmp_path, password="a")), found(shop(tmp_path, password="b"))
    assert (first.origin, found(shop(tmp_path)).origin) == ("given", "generated")
    assert first.key == other.key
    assert first.value != other.value
    (tmp_path / secrets.FOLDER / secrets.KEY).unlink()
    again = found(shop(tmp_path, password="a"))
    assert (again.key == first.key, again.value == first.value) == (False, False)


# --- files ---


def test_each_unit_gets_its_variables_as_files_that_any_user_inside_may_read(tmp_path: Path) -> None:
    opened = shop(tmp_path, password=HARD)
    generated = values(opened)["mariadb.password"]
    assert written(opened) == {
        "postgres/POSTGRES_PASSWORD": HARD,
        "mariadb/MARIADB_PASSWORD": generated,
        "mariadb/MARIADB_ROOT_PASSWORD": generated,
        "web/DATABASE_URL": "postgresql://devenv:p%40ss%2Fw%3Ard%20%3F%23%25%26%24%27%22%5C%C3%A9@postgres:5432/shop",
        "web/PGPASSWORD": HARD,
        "web/MARIADB_DATABASE_URL": f"mysql://devenv:{generated}@mariadb:3306/shop",
        "web/MARIADB_MYSQL_PASSWORD": generated,
    }
    assert (tmp_path / secrets.FOLDER / "web/PGPASSWORD").stat().st_mode & 0o777 == 0o444


def test_files_that_are_right_stay_and_those_that_nobody_needs_go(tmp_path: Path) -> None:
    opened = shop(tmp_path)
    written(opened, copies=True)
    kept = tmp_path / secrets.FOLDER / "postgres/POSTGRES_PASSWORD"
    stale = tmp_path / secrets.FOLDER / "gone/OLD"
    stale.parent.mkdir()
    stale.write_text("old")
    before = kept.stat().st_ino
    assert not any(name.startswith(("gone", secrets.COMPOSE)) for name in written(opened))
    assert (kept.stat().st_ino, stale.parent.exists()) == (before, False)


def test_compose_has_them_in_a_file_of_their_own_where_files_are_copied(tmp_path: Path) -> None:
    opened = shop(tmp_path, password="canary")
    assert "canary" in written(opened, copies=True)[secrets.COMPOSE]
    assert (tmp_path / secrets.FOLDER / secrets.COMPOSE).stat().st_mode & 0o777 == 0o600


def test_a_build_of_the_rendered_dockerfile_leaves_the_secrets_out(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("*.log")
    written(shop(tmp_path))
    lines = (tmp_path / ".devenv/web/Dockerfile.dockerignore").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "*.log",
        ".devenv/secrets",
        ".devenv/secrets.env",
        "devenv.local.toml",
    ]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_program_gets_each_file_as_a_variable_and_in_memory(tmp_path: Path, shell: str) -> None:
    files = {"ONE": HARD, "EMPTY": "", "SPACES": "  a\tb\\n  ", "name": "kept"}
    files |= {"LINES": "-----BEGIN\n\n  KEY\n-----END\n\n", "END": "\n", "OPEN": "a\nb", "LONG": "é" * 20_000}
    for folder in ("from", "to"):
        (tmp_path / folder).mkdir()
    for name, value in files.items():
        (tmp_path / "from" / name).write_text(value)
    script = (ROOT / "templates" / "secrets.sh").read_text()
    command = [shell, "-c", script, "x", str(tmp_path / "from"), str(tmp_path / "to"), sys.executable, "-c"]
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    for _ in range(2):
        told = subprocess.run([*command, program], check=True, capture_output=True, text=True, env={"PATH": "/bin"})
        found = json.loads(told.stdout)
        assert {name: found[name] for name in files} == files
        assert not [name for name in found if name.startswith("devenv")]
    assert {path.name: path.read_text() for path in (tmp_path / "to").iterdir()} == files
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "to").iterdir()} == {0o600}
    command[4] = str(tmp_path / "nowhere")
    assert subprocess.run([*command, "print(3)"], check=True, capture_output=True).stdout == b"3\n"


# --- data that was made with others ---


def there(made: Blueprint) -> Observed:
    return Observed(volumes=tuple(SeenObject(one.name, one.name, one.labels) for one in made.volumes))


def objections(opened: Workspace, observed: Observed) -> Sequence[DevenvError]:
    try:
        assert secrets.object_to(opened, wanted(opened), observed) == ()
    except Problems as error:
        return error.problems
    return ()


def test_data_that_was_made_with_the_same_password_is_no_matter(tmp_path: Path) -> None:
    assert objections(shop(tmp_path, password="a"), there(wanted(shop(tmp_path, password="a")))) == ()
    assert objections(shop(tmp_path), Observed()) == ()


@pytest.mark.parametrize(
    ("before", "now", "why", "back"),
    [
        ({"password": "a"}, {"password": "b"}, "another one was given then", "set `password` to that one again"),
        ({"password": "a"}, {}, "one was given then", "set `password` to that one again"),
        ({}, {"password": "b"}, "it was generated then", "take `password` out again"),
    ],
)
def test_another_password_than_the_data_has_is_refused_with_the_way_back(
    tmp_path: Path, before: dict[str, str], now: dict[str, str], why: str, back: str
) -> None:
    (found,) = objections(shop(tmp_path, **now), there(wanted(shop(tmp_path, **before))))
    assert found.message == (
        f"the data of `postgres` in volume `shop_postgres-data` was made with another `password`: {why}"
    )
    assert found.hint == f"{back}; or let `devenv reset postgres` begin anew, without the data"
    assert found.where is not None
    assert found.where.text == "[services.postgres]"


def test_a_lost_key_is_told_of_every_service_whose_password_came_from_it(tmp_path: Path) -> None:
    observed = there(wanted(shop(tmp_path)))
    (tmp_path / secrets.FOLDER / secrets.KEY).unlink()
    found = objections(shop(tmp_path), observed)
    assert len(found) == 2
    assert all(f"`{secrets.FOLDER}/{secrets.KEY}` is another key" in one.message for one in found)


def test_what_cannot_be_told_is_said_and_goes_on(tmp_path: Path) -> None:
    observed = there(wanted(shop(tmp_path, password="a")))
    (tmp_path / secrets.FOLDER / secrets.KEY).unlink()
    only = Observed(volumes=tuple(one for one in observed.volumes if "postgres" in one.name))
    bare = Observed(volumes=tuple(SeenObject("x", one.name, {labels.SECRETS: "{"}) for one in only.volumes))
    for seen in (only, bare):
        opened = shop(tmp_path, password="a")
        (doubt,) = secrets.object_to(opened, wanted(opened), seen)
        assert "`password` of `postgres`" in doubt
        assert "devenv reset postgres" in doubt


def test_a_line_that_holds_the_password_is_not_shown(tmp_path: Path) -> None:
    before = there(wanted(shop(tmp_path)))
    opened = shop(tmp_path, password="canary")
    (tmp_path / "devenv.toml").write_text('[services]\npostgres = { password = "canary" }\n')
    (found,) = objections(opened, before)
    assert found.where is None


def test_the_variables_for_the_host_have_the_real_values(tmp_path: Path) -> None:
    from devenv.commands import env

    opened = shop(tmp_path, password=HARD)
    project: Project = opened.project
    assert env.variables(opened)["PGPASSWORD"] == HARD
    assert (
        env.variables(opened)["MARIADB_MYSQL_PASSWORD"] == secrets.values(project, opened.entries)["mariadb.password"]
    )
