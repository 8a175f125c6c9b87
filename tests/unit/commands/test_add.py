"""What `devenv add` and `devenv remove` make of a project on disk; without network and engine."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devenv import config, lockfile
from devenv.commands import add, remove
from devenv.commands.add import AddResult
from devenv.errors import DevenvError, Problems, UsageError
from tests import projects

# Whoever edits it by hand leaves traces of that.
SHOP = """\
# the shop
name = "shop" # short
images   =   "debian"

# serves pages
[apps.web]
run = "perl server.pl"

# data
[services.postgres]
version = "17"
settings = { shared_buffers = "128MB" }
# port = 5432

[services.postgres.limits]
memory = "1G"

# how files get in
[sync]
mode = "bind"
"""
OWN = 'summary = "Own"\ndocs = "https://example.org"\nports = { own = 1 }\nprovides = { OWN = "{host}:{port}" }\n'


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    return written(folder, SHOP)


def written(folder: Path, text: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / config.NAME).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def content(folder: Path) -> str:
    return (folder / config.NAME).read_bytes().decode()


def refused(folder: Path, *words: str, key: str | None = None) -> DevenvError:
    """The error, after it was seen that the file is as it was."""
    before = content(folder)
    with pytest.raises(DevenvError) as caught:
        add.run(folder, words, key=key)
    assert content(folder) == before
    assert [one.name for one in folder.iterdir() if one.name.startswith(".devenv.toml")] == []
    return caught.value


def kept(folder: Path, *names: str) -> DevenvError:
    """The error of a removal, after it was seen that the file is as it was."""
    before = content(folder)
    with pytest.raises(DevenvError) as caught:
        remove.run(folder, names)
    assert content(folder) == before
    return caught.value


def messages(error: DevenvError) -> list[str]:
    return [one.message for one in (error.problems if isinstance(error, Problems) else (error,))]


# --- add ---


def test_a_service_comes_after_the_others_and_all_else_stays(shop: Path) -> None:
    result = add.run(shop / ".", ["redis@8"])
    assert content(shop) == SHOP.replace('memory = "1G"\n', 'memory = "1G"\n\n[services.redis]\nversion = "8"\n')
    (added,) = result.added
    assert (added.name, added.entry, added.version, added.apps, added.others) == ("redis", "redis", "8", ("web",), ())
    assert added.variables == {"REDIS_URL": "redis://redis:6379/0", "REDIS_HOST": "redis", "REDIS_PORT": "6379"}
    assert (result.present, result.locked) == ((), False)


def test_a_service_under_another_name_says_what_it_is_and_how_its_variables_are_called(shop: Path) -> None:
    (added,) = add.run(shop, ["postgres@17"], key="orders").added
    assert '\n[services.orders]\nuse = "postgres"\nversion = "17"\n' in content(shop)
    assert added.variables["ORDERS_PGHOST"] == "orders"


def test_apps_that_list_what_they_need_are_told_of(tmp_path: Path) -> None:
    text = '[apps.web]\nneeds = []\n[apps.job]\nlike = "web"\n[apps.all]\n'
    (added,) = add.run(written(tmp_path / "shop", text), ["redis"]).added
    assert (added.apps, added.others) == (("all",), ("web", "job"))


def test_several_are_added_in_their_order_and_what_is_there_is_told(shop: Path) -> None:
    lockfile.write(shop, projects.lock(config.load(shop)))
    result = add.run(shop, ["redis", "postgres@17", "redis", "memcached"])
    assert [one.name for one in result.added] == ["redis", "memcached"]
    assert (result.present, result.locked) == (("postgres",), True)
    assert [one.name for one in config.load(shop).services] == ["postgres", "redis", "memcached"]


def test_what_the_projects_origin_does_not_have_comes_from_the_other_one(shop: Path, tmp_path: Path) -> None:
    (added,) = add.run(shop, ["mailpit"]).added
    assert added.origin == "registry"
    assert '[services.mailpit]\nimages = "registry"\n' in content(shop)
    other = written(tmp_path / "other", 'name = "other"\n')
    own = other / ".devenv" / "services"
    own.mkdir(parents=True)
    (own / "own.toml").write_text(
        OWN + '[debian]\ndefault = { trixie = "1" }\n[debian.packages.trixie]\n1 = ["own-server"]\n'
    )
    assert [one.origin for one in add.run(other, ["own", "redis"]).added] == ["debian", None]
    assert '[services.own]\nimages = "debian"\n\n[services.redis]\n' in content(other)


def test_what_is_there_already_changes_nothing(shop: Path) -> None:
    before = (shop / config.NAME).stat()
    for word in ("postgres", "postgres@17"):
        assert add.run(shop, [word]) == AddResult((), ("postgres",), locked=False)
    after = (shop / config.NAME).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_all_mistakes_are_told_at_once_and_nothing_is_written(shop: Path) -> None:
    error = refused(shop, "redsi", "../stacks/node", "redis@99", "memcached", "mariadb@a b", "")
    assert messages(error) == [
        "unknown service `redsi`",
        "unknown service `../stacks/node`",
        "`mariadb@a b` names no version",
        "unknown service ``",
        "Debian trixie does not have service `redis` in version `99`",
    ]
    assert isinstance(error, Problems)
    assert error.problems[0].hint == "did you mean `redis`?"
    assert error.problems[-1].hint == "it has: `8`"
    assert error.exit_code == UsageError.exit_code


def test_a_version_is_refused_as_check_refuses_it_without_a_place_that_was_never_written(shop: Path) -> None:
    error = refused(shop, "redis@99")
    assert (error.message, error.where) == ("Debian trixie does not have service `redis` in version `99`", None)
    written(shop, SHOP.replace('"debian"', '"registry"'))
    assert add.run(shop, ["redis@99"]).added[0].version == "99"


@pytest.mark.parametrize(
    ("words", "key", "message"),
    [
        (["redis", "mariadb"], "x", "`--as` goes with one service"),
        (["redis@7", "redis@8"], None, "`redis` is asked for twice"),
        (["redis"], "Big", "`Big` is no DNS label: lower-case letters, digits and hyphens, at most 40"),
        (["redis"], 'x]\ny = "', '`x]\\ny = "` is no DNS label: lower-case letters, digits and hyphens, at most 40'),
        (["redis"], "", "`` is no DNS label: lower-case letters, digits and hyphens, at most 40"),
        (["redis"], "web", "`web` is an app and a service"),
        (["redis"], "postgres", "there is a service `postgres` already, of `postgres`"),
        (["redis"], "search", "there is a service `search` already, by `acme/search`"),
        (["postgres@16"], None, "`postgres` is there already, in version `17`"),
        (["redis@"], None, "`redis@` names no version"),
    ],
)
def test_a_wrong_wish_is_refused(shop: Path, words: list[str], key: str | None, message: str) -> None:
    written(shop, SHOP + '\n[services.search]\nimage = "acme/search"\n')
    assert refused(shop, *words, key=key).message == message


def test_another_version_of_what_is_there_points_to_where_it_stands(shop: Path) -> None:
    error = refused(shop, "postgres@16")
    assert error.where is not None
    assert (error.where.line, error.hint) == (11, 'set `version = "16"` there')


def test_a_service_laid_over_the_file_is_not_in_it(shop: Path) -> None:
    (shop / config.LOCAL_NAME).write_text("[services.redis]\nport = 7000\n")
    assert [one.name for one in add.run(shop, ["redis"]).added] == ["redis"]
    assert next(one for one in config.load(shop).services if one.name == "redis").port == 7000


def test_the_projects_own_entry_is_added_like_any_other(shop: Path) -> None:
    own(shop, "cache")
    written(shop, SHOP.replace('"debian"', '"registry"'))
    error = refused(shop, "cache")
    assert error.message == "no registry image is known for service `cache`"
    own(shop, "cache", OWN + '[registry]\nimage = "acme/cache"\ndefault = "1"\nversions = ["1"]\n')
    assert add.run(shop, ["cache"]).added[0].variables == {"OWN": "cache:1"}


def own(folder: Path, name: str, text: str = OWN) -> None:
    (folder / ".devenv/services").mkdir(parents=True, exist_ok=True)
    (folder / ".devenv/services" / f"{name}.toml").write_text(text)


# --- files of every kind ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "[services.redis]\n"),
        ("services.postgres.version = '17'\n", "services.postgres.version = '17'\n\n[services.redis]\n"),
        ("services = { postgres = {} }", "services = { postgres = {}, redis = {} }"),
        ("[services]\npostgres = {}", "[services]\npostgres = {}\n\n[services.redis]"),
        ("\ufeffimages = 'debian'\r\n[sync]\r\n", "\ufeffimages = 'debian'\r\n[sync]\r\n\r\n[services.redis]\r\n"),
    ],
)
def test_every_way_to_write_services_is_kept(tmp_path: Path, text: str, expected: str) -> None:
    folder = written(tmp_path / "shop", text)
    add.run(folder, ["redis"])
    assert content(folder) == expected
    assert [one.name for one in config.load(folder).services][-1] == "redis"
    remove.run(folder, ["redis"])
    assert content(folder) == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    order=st.permutations(["redis", "valkey@8", "memcached"]),
    without=st.sets(st.sampled_from(["# the shop\n", "# data\n", "\n\n", '[sync]\nmode = "bind"\n'])),
    line_end=st.sampled_from(["\n", "\r\n"]),
    end=st.sampled_from(["", "\n", "\n\n# the end", "\n# the end\n"]),
)
def test_add_and_then_remove_gives_the_file_back(
    tmp_path: Path, order: list[str], without: set[str], line_end: str, end: str
) -> None:
    text = SHOP
    for one in sorted(without):
        text = text.replace(one, "\n" if one == "\n\n" else "")
    folder = written(tmp_path / "shop", (text.rstrip("\n") + end).replace("\n", line_end))
    before, project = content(folder), config.load(folder)
    add.run(folder, order)
    names = [one.partition("@")[0] for one in order]
    assert [one.name for one in config.load(folder).services] == ["postgres", *names]
    assert config.load(folder).services[0] == project.services[0]
    remove.run(folder, names[::-1])
    assert content(folder) == before


def test_mode_and_link_of_the_file_stay(shop: Path) -> None:
    target = shop / "real.toml"
    (shop / config.NAME).rename(target)
    target.chmod(0o600)
    (shop / config.NAME).symlink_to("real.toml")
    add.run(shop, ["redis"])
    assert (shop / config.NAME).is_symlink()
    assert "[services.redis]" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_folder_without_a_project(tmp_path: Path) -> None:
    with pytest.raises(DevenvError, match=r"no `devenv\.toml` in"):
        add.run(tmp_path, ["redis"])
    with pytest.raises(DevenvError, match=r"no `devenv\.toml` in"):
        remove.run(tmp_path, ["redis"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[services", "expected `]`"),
        (b"a = \xff", "`devenv.toml` is not UTF-8 text"),
        (b"services = 5\n", "`services`: expected a table, got a number"),
        (b"services = { a = 1 }\n", "`services.a`: expected a table, got a number"),
        (b"[[services]]\n", "`services`: expected a table, got a list"),
        (b"colour = 1\n", "unknown key `colour`"),
        (b"[services.redsi]\n", "unknown service `redsi`"),
    ],
)
def test_a_file_that_is_wrong_is_told_and_left_alone(tmp_path: Path, text: bytes, message: str) -> None:
    folder = written(tmp_path / "shop", text)
    for _ in range(2):
        with pytest.raises(DevenvError) as caught:
            add.run(folder, ["redis"])
        assert messages(caught.value) == [message]
        assert (folder / config.NAME).read_bytes() == text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_file_or_folder_that_may_not_be_changed(shop: Path) -> None:
    (shop / config.NAME).chmod(0o400)
    assert "write-protected" in refused(shop, "redis").message
    (shop / config.NAME).chmod(0o600)
    shop.chmod(0o500)
    assert "cannot write" in refused(shop, "redis").message
    shop.chmod(0o700)
    (shop / config.NAME).chmod(0)
    with pytest.raises(DevenvError, match=r"cannot read `devenv\.toml`: permission denied"):
        add.run(shop, ["redis"])


def test_a_disk_that_refuses_leaves_the_file_as_it_was(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert "cannot write" in refused(shop, "redis").message
    assert "cannot write" in kept(shop, "postgres").message


# --- remove ---


def test_a_service_goes_with_its_comments_and_tables_and_all_else_stays(shop: Path) -> None:
    result = remove.run(shop, ["postgres"])
    start, end = SHOP.index("# data"), SHOP.index("# how files")
    assert content(shop) == SHOP[:start] + SHOP[end:]
    assert (result.removed, result.kept, result.locked) == (("postgres",), ("postgres",), False)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("[services.memcached]\n", False),
        ("[services.redis]\n", True),
        ('[services.x]\nuse = "redis"\n', True),
        ('[services.x]\nimage = "acme/x"\n', False),
        ('[services.x]\nimage = "acme/x"\nvolumes = { data = "/x" }\n', True),
        ("[services.redsi]\n", True),
    ],
)
def test_whether_data_may_stay_behind_is_known(tmp_path: Path, text: str, data: bool) -> None:
    folder = written(tmp_path / "shop", text)
    name = text.partition("]")[0].rpartition(".")[2]
    assert bool(remove.run(folder, [name]).kept) is data
    assert content(folder) == ""


def test_a_service_that_apps_need_stays_and_every_need_is_told_with_its_place(shop: Path) -> None:
    text = SHOP.replace("[apps.web]\n", '[apps.web]\nneeds = [\n  "postgres",\n]\n')
    written(shop, text + '[profiles.ci.apps.web]\nneeds = ["postgres"]\n')
    (shop / config.LOCAL_NAME).write_text('[apps.job]\nneeds = ["postgres"]\n')
    error = kept(shop, "postgres")
    assert messages(error) == ["app `web` needs `postgres`", "app `web` needs `postgres`", "app `job` needs `postgres`"]
    assert isinstance(error, Problems)
    places = [one.where for one in error.problems if one.where]
    assert [(one.file, one.line) for one in places] == [(config.NAME, 8), (config.NAME, 25), (config.LOCAL_NAME, 2)]


def test_a_service_that_another_one_needs_stays_unless_both_go(shop: Path) -> None:
    written(shop, SHOP + '[services.proxy]\nimage = "a"\nneeds = ["postgres"]\n')
    assert messages(kept(shop, "postgres")) == ["service `proxy` needs `postgres`"]
    remove.run(shop, ["postgres", "proxy"])
    assert "proxy" not in content(shop)


def test_a_service_that_is_also_laid_over_the_file_may_go_though_it_is_needed(shop: Path) -> None:
    written(shop, SHOP.replace("[apps.web]\n", '[apps.web]\nneeds = ["postgres"]\n'))
    (shop / config.LOCAL_NAME).write_text("[services.postgres]\nport = 7000\n")
    remove.run(shop, ["postgres"])
    assert config.load(shop).services[0].port == 7000


def test_what_is_not_in_the_file_is_told_with_where_it_is_or_what_was_meant(shop: Path) -> None:
    written(shop, SHOP + "[profiles.ci.services.redis]\n")
    (shop / config.LOCAL_NAME).write_text("[services.memcached]\n")
    error = kept(shop, "postgress", "web", "redis", "memcached", "nothing", "postgres")
    assert isinstance(error, Problems)
    assert [(one.message, one.hint, one.where and one.where.file) for one in error.problems] == [
        ("unknown service `postgress`", "did you mean `postgres`?", None),
        ("`web` is an app, not a service", "take it out of `devenv.toml` by hand", None),
        ("service `redis` is not in `devenv.toml` itself, but laid over it", "take it out there by hand", config.NAME),
        ("service `memcached` is not in `devenv.toml` itself, but laid over it", "take it out there by hand",
         config.LOCAL_NAME),
        ("unknown service `nothing`", "there are: `postgres`", None),
    ]  # fmt: skip


def test_removing_a_service_that_the_catalog_does_not_know_repairs_the_project(shop: Path) -> None:
    written(shop, SHOP + "\n[services.redsi]\n")
    remove.run(shop, ["redsi"])
    assert content(shop) == SHOP


def test_a_file_that_is_wrong_elsewhere_is_told_with_the_place(shop: Path) -> None:
    written(shop, "colour = 1\n" + SHOP)
    error = kept(shop, "postgres")
    assert isinstance(error, Problems)
    assert error.problems[0].where is not None
    assert error.problems[0].where.line == 1
