from __future__ import annotations

import os
from pathlib import Path

import pytest

from devenv import config
from devenv.errors import DevenvError, Place, Problems, UsageError
from devenv.model.project import App, Limits, Project, Ready, Service, StackRequest, Sync, SyncRule, Task

DESIGN = """\
name = "bookshop"
require_version = ">=0.1"
images = "debian"

[debian]
suite = "bookworm"

[apps.web]
stack = ["python@3.13", "node"]
packages = ["git", "libpq-dev"]
setup = ["pip install -r requirements.txt"]
run = "uvicorn shop:app --port 8000"
ports = [8000]
env = { LOG_LEVEL = "debug", WORKERS = 2, DEBUG = true }
needs = ["postgres"]
ready = { http = "/health" }
limits = { cpus = 1, memory = "512M" }

[apps.worker]
like = "web"
run = "rq worker"
env = { LOG_LEVEL = "info" }

[services.postgres]
version = "17"
databases = ["shop", "shop_test"]
settings = { shared_buffers = "128MB", max_connections = 200 }
init = ["db/*.sql"]
password = "pass"

[services.search]
image = "docker.io/acme/search:2"
ports = [9200]
port = 9201
volumes = { data = "/var/lib/search" }
command = "search --dev"
ready = { exec = ["true"], timeout = 5 }

[sync]
mode = "copy"
ignore = ["*.log", "!keep.log"]
[[sync.rules]]
path = "requirements.txt"
action = "setup"
[[sync.rules]]
path = "config/"
action = "restart"

[tasks.migrate]
run = "alembic upgrade head"
app = "web"

[profiles.ci]
apps.web.env = { LOG_LEVEL = "warning" }
services.postgres.databases = ["ci"]
"""

LABEL = "`%s` is no DNS label: lower-case letters, digits and hyphens, at most 40"
QUOTE = 'put it in quotes: `"17"`'


def write(folder: Path, text: str, *, local: str | None = None) -> Path:
    (folder / "devenv.toml").write_text(text, encoding="utf-8")
    if local is not None:
        (folder / "devenv.local.toml").write_text(local, encoding="utf-8")
    return folder


def load(folder: Path, text: str, *, local: str | None = None, profile: str | None = None) -> Project:
    return config.load(write(folder, text, local=local), profile=profile)


def app(project: Project, name: str) -> App:
    return next(one for one in project.apps if one.name == name)


def service(project: Project, name: str) -> Service:
    return next(one for one in project.services if one.name == name)


def mistakes(folder: Path, text: str, *, local: str | None = None) -> list[DevenvError]:
    return mistakes_of(write(folder, text, local=local))


def mistakes_of(folder: Path) -> list[DevenvError]:
    with pytest.raises(Problems) as caught:
        config.load(folder)
    return list(caught.value.problems)


def pointed(place: Place | None) -> str:
    assert place is not None
    return place.text[place.column - 1 : place.column - 1 + place.length]


# --- what is right ---


def test_every_key_reaches_the_project(tmp_path: Path) -> None:
    project = load(tmp_path, DESIGN)
    assert (project.root, project.name, project.suite) == (tmp_path, "bookshop", "bookworm")
    assert app(project, "web") == App(
        name="web",
        stacks=(StackRequest("python", "3.13"), StackRequest("node")),
        origin="debian",
        packages=("git", "libpq-dev"),
        setup=("pip install -r requirements.txt",),
        run="uvicorn shop:app --port 8000",
        ports=(8000,),
        env={"LOG_LEVEL": "debug", "WORKERS": "2", "DEBUG": "true"},
        needs=("postgres",),
        ready=Ready(http="/health"),
        limits=Limits(cpus=1.0, memory=512 * 1024**2),
    )
    assert service(project, "postgres") == Service(
        name="postgres",
        use="postgres",
        origin="debian",
        version="17",
        options={
            "databases": ("shop", "shop_test"),
            "settings": {"shared_buffers": "128MB", "max_connections": "200"},
            "init": ("db/*.sql",),
            "password": "pass",
        },
    )
    assert service(project, "search") == Service(
        name="search",
        use=None,
        origin="registry",
        image="docker.io/acme/search:2",
        port=9201,
        ports=(9200,),
        volumes={"data": "/var/lib/search"},
        command=("/bin/sh", "-c", "search --dev"),
        ready=Ready(exec=("true",), timeout=5.0),
    )
    assert project.tasks == (Task("migrate", "alembic upgrade head", "web"),)
    rules = (SyncRule("requirements.txt", "setup"), SyncRule("config/", "restart"))
    assert project.sync == Sync("copy", ("*.log", "!keep.log"), rules)


def test_an_empty_file_is_a_project_named_after_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "My Book_Shop (2)"
    folder.mkdir()
    assert load(folder, "") == Project(folder, "my-book-shop-2")


def test_a_path_with_spaces_and_other_letters_works(tmp_path: Path) -> None:
    folder = tmp_path / "Bücher & größe 本"
    (folder / "süd ost").mkdir(parents=True)
    project = load(folder, '[apps.web]\ndir = "süd ost"')
    assert (project.root, project.name, app(project, "web").dir) == (folder, "bucher-groe", "süd ost")


def test_a_folder_that_gives_no_name_asks_for_one(tmp_path: Path) -> None:
    folder = tmp_path / "本屋"
    folder.mkdir()
    (mistake,) = mistakes(folder, "")
    assert mistake.message == "the folder's name `本屋` cannot be made a project's name"
    assert mistake.hint == 'add `name = "…"` to `devenv.toml`'
    assert load(folder, 'name = "books"').name == "books"


@pytest.mark.parametrize(
    "value", ["$HOME ${X} $$ \"quoted\" 'single'", "two\nlines\ttab", "emoji 📚 é", "\\ back", " "]
)
def test_values_arrive_unchanged(tmp_path: Path, value: str) -> None:
    import tomlkit

    table = {"apps": {"web": {"run": value, "setup": [value], "env": {"A": value}}}}
    web = app(load(tmp_path, tomlkit.dumps(table)), "web")
    assert (web.run, web.setup, web.env["A"]) == (value, (value,), value)


def test_an_app_needs_every_service_unless_it_says_otherwise(tmp_path: Path) -> None:
    text = "[services.redis]\n[services.postgres]\n[apps.web]\n[apps.cron]\nneeds = []\n[apps.api]\nneeds = ['web']"
    project = load(tmp_path, text)
    assert [one.needs for one in project.apps] == [("redis", "postgres"), (), ("web",)]


def test_like_shares_what_is_not_given_and_keeps_what_belongs_to_the_command(tmp_path: Path) -> None:
    worker = app(load(tmp_path, DESIGN), "worker")
    web = app(load(tmp_path, DESIGN), "web")
    assert worker.like == "web"
    assert (worker.stacks, worker.packages, worker.setup) == (web.stacks, web.packages, web.setup)
    assert (worker.needs, worker.limits, worker.origin) == (web.needs, web.limits, "debian")
    assert worker.env == {"LOG_LEVEL": "info", "WORKERS": "2", "DEBUG": "true"}
    assert (worker.run, worker.ports, worker.ready) == ("rq worker", (), None)


def test_a_chain_of_likes_ends_at_the_app_with_the_image_and_the_nearest_wins(tmp_path: Path) -> None:
    text = """
[apps.c]
like = "b"
[apps.b]
like = "a"
env = { X = "b", Y = "b" }
limits = { cpus = 2 }
needs = []
[apps.a]
stack = "python"
env = { X = "a", Z = "a" }
limits = { cpus = 1, memory = "1G" }
[services.redis]
"""
    c = app(load(tmp_path, text), "c")
    assert (c.like, c.stacks, c.needs) == ("a", (StackRequest("python"),), ())
    assert c.env == {"X": "b", "Y": "b", "Z": "a"}
    assert c.limits == Limits(cpus=2.0, memory=1024**3)


def test_images_by_name_come_from_a_registry_and_others_from_where_the_project_says(tmp_path: Path) -> None:
    text = """
images = "debian"
[apps.a]
image = "acme/base:3"
[apps.b]
images = "registry"
[services.c]
use = "postgres"
[services.d]
image = "localhost:5000/d@sha256:%s"
[services.e]
images = "registry"
"""
    project = load(tmp_path, text % ("0" * 64))
    assert [one.origin for one in project.apps] == ["registry", "registry"]
    assert [(one.use, one.origin) for one in project.services] == [
        ("postgres", "debian"),
        (None, "registry"),
        ("e", "registry"),
    ]


def test_a_task_runs_in_the_only_app(tmp_path: Path) -> None:
    assert load(tmp_path, "[apps.web]\n[tasks.'db:reset']\nrun = 'x'").tasks == (Task("db:reset", "x", "web"),)


# --- overlays ---


def test_the_local_file_merges_tables_and_replaces_the_rest(tmp_path: Path) -> None:
    local = "[apps.web]\nports = [9000]\nenv = { LOG_LEVEL = 'trace' }\n[services.postgres]\nport = 5433\n"
    project = load(tmp_path, DESIGN, local=local)
    web = app(project, "web")
    assert web.ports == (9000,)
    assert web.env == {"LOG_LEVEL": "trace", "WORKERS": "2", "DEBUG": "true"}
    assert service(project, "postgres").port == 5433
    assert service(project, "postgres").version == "17"


def test_a_profile_goes_over_both_files_and_may_stand_in_both(tmp_path: Path) -> None:
    local = "[apps.web.env]\nLOG_LEVEL = 'trace'\n[profiles.ci.apps.web.env]\nCI = 'yes'\n[profiles.mine]\n"
    assert app(load(tmp_path, DESIGN, local=local), "web").env["LOG_LEVEL"] == "trace"
    ci = load(tmp_path, DESIGN, local=local, profile="ci")
    assert app(ci, "web").env == {"LOG_LEVEL": "warning", "WORKERS": "2", "DEBUG": "true", "CI": "yes"}
    assert service(ci, "postgres").options["databases"] == ("ci",)
    assert app(ci, "worker").env["LOG_LEVEL"] == "info"
    assert load(tmp_path, DESIGN, local=local, profile="mine").name == "bookshop"


def test_an_unknown_profile_is_a_mistake_on_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, "[profiles.staging]")
    with pytest.raises(UsageError) as caught:
        config.load(tmp_path, profile="stagin")
    assert (caught.value.message, caught.value.hint) == ("unknown profile `stagin`", "did you mean `staging`?")


def test_a_mistake_in_the_overlay_names_the_overlay(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, "[apps.web]\nports = [80]", local="\n[apps.web]\nports = ['80']")
    assert mistake.where is not None
    assert (mistake.where.file, mistake.where.line, pointed(mistake.where)) == ("devenv.local.toml", 3, "'80'")


def test_syntax_mistakes_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "name = ", local="a = 1 2")
    assert [one.where.file for one in found if one.where] == ["devenv.local.toml", "devenv.toml"]


def test_a_mistake_in_a_profile_is_found_without_asking_for_it(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, "[apps.web]\nrun = 'x'\n[profiles.ci]\napps.web.rnu = 'y'\n")
    assert mistake.message == "unknown key `rnu` in `apps.web`"
    assert mistake.where is not None
    assert (mistake.where.line, pointed(mistake.where)) == (4, "rnu")


def test_a_mistake_is_told_once_however_many_profiles_share_it(tmp_path: Path) -> None:
    assert len(mistakes(tmp_path, "nme = 'x'\n[profiles.a]\n[profiles.b]\n")) == 1


# --- places ---


def test_places_follow_the_file_that_counts(tmp_path: Path) -> None:
    write(tmp_path, DESIGN, local="[services.postgres]\nversion = '16'\n[apps.web]\nstack = 'ruby'\n")
    loaded = config.read(tmp_path, profile="ci")
    version = loaded.place(("services", "postgres", "version"))
    assert version is not None
    assert (version.file, version.line, pointed(version)) == ("devenv.local.toml", 2, "'16'")
    table = loaded.place(("services", "postgres"))
    assert table is not None
    assert (table.file, table.text) == ("devenv.toml", "[services.postgres]")
    databases = loaded.place(("services", "postgres", "databases"))
    assert databases is not None
    assert databases.text == 'services.postgres.databases = ["ci"]'
    assert pointed(loaded.place(("services", "postgres", "init"), key=True)) == "init"
    assert loaded.place(("apps", "web", "stack", 1)) is None
    assert pointed(loaded.place(("apps", "worker", "stack"))) == "'ruby'"
    assert loaded.place(("services", "mysql")) is None


def test_place_finds_a_value_by_its_keys(tmp_path: Path) -> None:
    assert pointed(config.place(write(tmp_path, DESIGN), "apps", "web", "stack", 1)) == '"node"'


# --- finding the project ---


def test_find_walks_up_to_the_folder_with_the_file(tmp_path: Path) -> None:
    write(tmp_path, "")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert config.find(tmp_path / "a" / "b") == tmp_path.resolve()
    assert config.find(tmp_path / "devenv.toml") == tmp_path.resolve()


def test_find_says_what_to_do_without_a_project(tmp_path: Path) -> None:
    (tmp_path / "devenv.toml").mkdir()
    with pytest.raises(DevenvError, match="no `devenv") as caught:
        config.find(tmp_path)
    assert caught.value.hint is not None
    assert "--project" in caught.value.hint


def test_a_checkout_reached_through_a_link_is_the_same_project(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    write(tmp_path / "real", "")
    (tmp_path / "link").symlink_to("real")
    assert config.find(tmp_path / "link") == (tmp_path / "real").resolve()


# --- what is wrong ---


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
nme = "x"
[apps.web]
prots = [80]
ports = [8000, "9000"]
needs = ["postgrs"]
[services.postgres]
version = 17
[sync]
mode = "atuo"
[tasks.t]
app = "web"
"""
    found = mistakes(tmp_path, text)
    assert [(one.message, one.hint, pointed(one.where)) for one in found] == [
        ("unknown key `nme`", "did you mean `name`?", "nme"),
        ("unknown key `prots` in `apps.web`", "did you mean `ports`?", "prots"),
        ("`apps.web.ports[1]`: expected a port from 1 to 65535, got a string", None, '"9000"'),
        ("unknown app or service `postgrs`", "did you mean `postgres`?", '"postgrs"'),
        ('`services.postgres.version`: expected a version such as `"17"`, got a number', QUOTE, "17"),
        ("`sync.mode`: expected `auto`, `bind` or `copy`, got `atuo`", "did you mean `auto`?", '"atuo"'),
        ("`tasks.t` has no `run`", "it needs a string", "t"),
    ]


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("apps = 3", "`apps`: expected a table, got a number", "3"),
        ("apps.web = 'x'", "`apps.web`: expected a table, got a string", "'x'"),
        ("apps = [1]", "`apps`: expected a table, got a list", "[1]"),
        ("name = 2020-01-01", "`name`: expected a string, got a date", "2020-01-01"),
        ("name = ''", "`name` is empty", "''"),
        ("name = 'Book Shop'", LABEL % "Book Shop", "'Book Shop'"),
        ("name = '-a'", LABEL % "-a", "'-a'"),
        ("name = '123'", LABEL % "123", "'123'"),
        (f"name = '{'a' * 41}'", LABEL % ("a" * 41), f"'{'a' * 41}'"),
        ("name = 'a\\u0007'", None, "'a\\u0007'"),
        ('name = "a\\u0007"', LABEL % "a\\x07", '"a\\u0007"'),
        ("[apps.Web]", LABEL % "Web", "Web"),
        ("[services.my_db]", LABEL % "my_db", "my_db"),
        ("[apps.x]\n[services.x]", "`x` is an app and a service", "x"),
        ("[hock.lint]\nrun = 'x'", "unknown key `hock`", "hock"),
        ("[hooks.lint]\nrun = 'x'", "`hooks.lint` does not say in which app", "lint"),
        ("[apps.web]\n[hooks.lint]\nrun = 'x'\nstages = ['post-commit']", None, "'post-commit'"),
        ("[apps.web]\n[hooks.lint]\nrun = 'x'\nfiles = ['../x']", None, "'../x'"),
        (
            "[apps.web]\n[hooks.lint]\nrun = 'x'\nparallel = 1",
            "`hooks.lint.parallel`: expected true or false, got a number",
            "1",
        ),
        ("profiles = 1", "`profiles`: expected a table, got a number", "1"),
        ("[profiles]\nci = 1", "`profiles.ci`: expected a table, got a number", "1"),
        ("[profiles.ci.profiles.x]", "a profile cannot have profiles", "profiles"),
        ("require_version = 'new'", "`new` is no condition for a version", "'new'"),
        ("platforms = ['x86']", None, "'x86'"),
        ("[debian]\nsuite = 'Trixie 13'", None, "'Trixie 13'"),
    ],
)
def test_mistakes_at_the_top(tmp_path: Path, text: str, message: str | None, where: str) -> None:
    (mistake,) = mistakes(tmp_path, text)
    assert message is None or mistake.message == message
    assert pointed(mistake.where) == where


@pytest.mark.parametrize(
    ("line", "message", "where"),
    [
        ("ignore = '*.log'", "`sync.ignore`: expected a list of strings, got a string", "'*.log'"),
        ("ignore = ['a', '']", "`sync.ignore[1]` is empty", "''"),
        ("ignore = ['a', '!']", "this is no pattern: it names nothing", "'!'"),
        ("ignore = ['a[b']", "this is no pattern: `[` is not closed", "'a[b'"),
        ("ignore = ['a\\']", "this is no pattern: it ends in a single backslash", "'a\\'"),
        ("ignore = ['# a']", "this is no pattern: it is a comment", "'# a'"),
        ("ignore = ['  ']", "this is no pattern: it is empty", "'  '"),
        ("ignore = ['../a']", "`../a` leads out of the project", "'../a'"),
        (
            "rules = [{ path = '[[:x:]]', action = 'sync' }]",
            "this is no pattern: there is no class `[:x:]`",
            "'[[:x:]]'",
        ),
        ("rules = [{ path = '!a', action = 'sync' }]", "a rule cannot take back another", "'!a'"),
        (
            "rules = [{ path = 'a', action = 'stop' }]",
            "`sync.rules[0].action`: expected `sync`, `setup`, `restart` or `rebuild`, got `stop`",
            "'stop'",
        ),
    ],
)
def test_mistakes_of_sync(tmp_path: Path, line: str, message: str, where: str) -> None:
    (mistake,) = mistakes(tmp_path, f"[sync]\n{line}\n")
    assert (mistake.message, pointed(mistake.where)) == (message, where)


def test_a_name_that_looks_like_a_comment_can_be_ignored_all_the_same(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, "sync.ignore = ['#a#']")
    assert mistake.hint == "a name that begins so is written `\\#a#`"
    assert load(tmp_path, "sync.ignore = ['\\#a#', '~$*']").sync.ignore == ("\\#a#", "~$*")


@pytest.mark.parametrize(
    ("line", "message", "where"),
    [
        ("stack = 'Python 3.13'", "`apps.web.stack`: expected a stack such as `python@3.13`, got `Python 3.13`", None),
        ("stack = ['python', 'python@3']", "stack `python` stands here twice", "'python@3'"),
        ("stack = 3.13", "`apps.web.stack`: expected a stack or a list of stacks, got a number", "3.13"),
        ("stack = 'a'\nimage = 'b'", "`stack` has no effect on an app by `image`", "stack"),
        ("image = 'b'\npackages = ['git']", "`packages` has no effect on an app by `image`", "packages"),
        ("image = 'a b'", "`apps.web.image`: expected an image such as `docker.io/acme/search:2`, got `a b`", "'a b'"),
        ("like = 'x'", "unknown app `x`", "'x'"),
        ("like = 'web'", "`like` goes in a circle: `web` → `web`", "'web'"),
        ("packages = ['a b']", "`apps.web.packages[0]`: expected the name of a Debian package, got `a b`", "'a b'"),
        ("setup = 'make'", "`apps.web.setup`: expected a list of strings, got a string", "'make'"),
        ("setup = [1]", "`apps.web.setup[0]`: expected a string, got a number", "1"),
        ("run = ['a']", "`apps.web.run`: expected a string, got a list", "['a']"),
        ("ports = [0]", "`apps.web.ports[0]`: expected a port from 1 to 65535, got `0`", "0"),
        ("ports = [65536]", "`apps.web.ports[0]`: expected a port from 1 to 65535, got `65536`", "65536"),
        ("ports = [true]", "`apps.web.ports[0]`: expected a port from 1 to 65535, got a boolean", "true"),
        ("ports = [80, 80]", "port `80` stands here twice", "80"),
        ("env = { 'A B' = '1' }", "`A B` cannot name a variable", "'A B'"),
        ("env = { 'A=B' = '1' }", "`A=B` cannot name a variable", "'A=B'"),
        ("env = { A = [1] }", "`apps.web.env.A`: expected a string, got a list", "[1]"),
        ('env = { A = "a\\u0000b" }', "`apps.web.env.A` has a zero character", '"a\\u0000b"'),
        ("dir = '/etc'", "`/etc` leads out of the project", "'/etc'"),
        ("dir = 'a/../../b'", "`a/../../b` leads out of the project", "'a/../../b'"),
        ("dir = '~/x'", "`~/x` leads out of the project", "'~/x'"),
        ("dir = 'C:\\x'", "`C:\\x` leads out of the project", "'C:\\x'"),
        ("dir = 'api'", "the project has no folder `api`", "'api'"),
        ("needs = ['web']", "`needs` goes in a circle: `web` → `web`", "'web'"),
        ("ready = {}", "`ready` has none", "ready"),
        ("ready = { tcp = 1, http = '/', port = 1 }", "`ready` has `tcp` and `http`", "ready"),
        ("ready = { tcp = 1, port = 1 }", "`port` has an effect with `http` only", "port"),
        ("ready = { http = 'x', port = 1 }", "`apps.web.ready.http`: expected a path such as `/health`, got `x`", None),
        ("ready = { http = '/' }", "`http` needs a port", "http"),
        ("ready = { exec = [] }", "a command is empty", "[]"),
        ("ready = { exec = '' }", "`apps.web.ready.exec` is empty", "''"),
        ("ready = { log = '(' }", None, "'('"),
        ("ready = { tcp = 1, timeout = 0 }", "`apps.web.ready.timeout`: expected seconds, above 0, got `0`", "0"),
        ("limits = { memory = '12 X' }", None, "'12 X'"),
        ("limits = { memory = '1M' }", "`1M` of memory is too little: engines want 6M", "'1M'"),
        ("limits = { memory = 512 }", None, "512"),
        ("limits = { memory = '0' }", "`0` of memory is too little: engines want 6M", "'0'"),
        ("limits = { memory = '-1G' }", None, "'-1G'"),
        ("limits = { memory = '999999999999T' }", "`999999999999T` of memory is no limit", "'999999999999T'"),
        ("limits = { cpus = 0 }", "`apps.web.limits.cpus`: expected a number above 0, got `0`", "0"),
        ("limits = { cpus = -1 }", "`apps.web.limits.cpus`: expected a number above 0, got `-1`", "-1"),
        (
            "limits = { cpus = 0.001 }",
            "`0.001` of cpus: engines take from 0.01 to the number that the machine has",
            "0.001",
        ),
        ("limits = { pids = 0 }", "`apps.web.limits.pids`: expected a number from 1 to 4194304, got `0`", "0"),
        ("limits = { cpus = inf }", "`apps.web.limits.cpus`: expected a number above 0, got `inf`", "inf"),
        ("limits = { cpu = 1 }", "unknown key `cpu` in `apps.web.limits`", "cpu"),
    ],
)
def test_mistakes_of_an_app(tmp_path: Path, line: str, message: str | None, where: str | None) -> None:
    (mistake,) = mistakes(tmp_path, f"[apps.web]\n{line}\n")
    assert message is None or mistake.message == message
    assert where is None or pointed(mistake.where) == where


@pytest.mark.parametrize(
    ("line", "message", "where"),
    [
        ("image = 'x'\nversion = '1'", "`version` has no effect on a service by `image`", "version"),
        ("image = 'x'\nuse = 'redis'", "`use` has no effect on a service by `image`", "use"),
        ("image = 'x'\ndatabases = []", "unknown key `databases` in `services.db`", "databases"),
        ("image = 'x'\nport = 1", "`port` needs a port inside", "port"),
        ("ports = [1]", "`ports` is for services by `image` or `dockerfile`", "ports"),
        ("command = 'x'", "`command` is for services by `image` or `dockerfile`", "command"),
        ("dockerfile = 'a/Dockerfile'", "the project has no file `a/Dockerfile`", "'a/Dockerfile'"),
        ("dockerfile = '../Dockerfile'", "`../Dockerfile` leads out of the project", "'../Dockerfile'"),
        ("dockerfile = 'out'", "`out` leads out of the project", "'out'"),
        ("dockerfile = 'Dockerfile'\ncontext = '/'", "`/` leads out of the project", "'/'"),
        ("dockerfile = 'Dockerfile'\ncontext = 'a'", "the project has no folder `a`", "'a'"),
        ("dockerfile = 'Dockerfile'\nuse = 'x'", "`use` has no effect on a service by `dockerfile`", "use"),
        ("dockerfile = 'Dockerfile'\nport = 1", "`port` needs a port inside", "port"),
        ("dockerfile = 'Dockerfile'\nsize = 1", "unknown key `size` in `services.db`", "size"),
        ("image = 'x'\ndockerfile = 'Dockerfile'", "`dockerfile` has no effect on a service by `image`", "dockerfile"),
        ("context = 'a'", "`context` has an effect with `dockerfile` only", "context"),
        ("dockerfile = 'empty'", "`empty` has no `FROM`", "#"),
        ("use = 'a/b'", "`a/b` cannot be in the catalog", "'a/b'"),
        ("version = 17", None, "17"),
        ("port = 70000", "`services.db.port`: expected a port from 1 to 65535, got `70000`", "70000"),
        ("init = ['../x.sql']", "`../x.sql` leads out of the project", "'../x.sql'"),
        ("init = ['/etc/passwd']", "`/etc/passwd` leads out of the project", "'/etc/passwd'"),
        ("databases = [[1]]", "`databases`: expected a string, got a list", "[1]"),
        ("settings = { a = { b = 1 } }", "`settings`: expected a string, got a table", "a"),
        ("since = 2020-01-01", "`since`: expected a string, got a date", "2020-01-01"),
        ("'a b' = 1", "`a b` cannot be an option", "'a b'"),
        ("volumes = { './data' = '/x' }", None, "'./data'"),
        ("volumes = { data = 'x' }", "`x` is no absolute path", "'x'"),
        ("volumes = { data = '/a/../..' }", "`/a/../..` is no absolute path", "'/a/../..'"),
        ("volumes = { data = '/' }", "`/` is no absolute path", "'/'"),
        ("volumes = { data = '/a:ro' }", "`/a:ro` is no absolute path", "'/a:ro'"),
    ],
)
def test_mistakes_of_a_service(tmp_path: Path, line: str, message: str | None, where: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / "empty").write_text("#")
    (tmp_path / "out").symlink_to("/etc/passwd")
    (mistake,) = mistakes(tmp_path, f"[services.db]\n{line}\n")
    assert message is None or mistake.message == message
    assert pointed(mistake.where) == where


@pytest.mark.parametrize("key", ["stack = 'python'", "image = 'x'", "packages = ['git']", "images = 'debian'"])
def test_an_app_like_another_has_no_image_of_its_own(tmp_path: Path, key: str) -> None:
    (mistake,) = mistakes(tmp_path, f"[apps.a]\n[apps.b]\nlike = 'a'\n{key}\n")
    name = key.partition(" ")[0]
    assert mistake.message == f"an app that is `like` another has no `{name}` of its own"


def test_a_circle_of_likes_is_told_once_as_a_path(tmp_path: Path) -> None:
    text = "[apps.b]\nlike = 'c'\n[apps.c]\nlike = 'a'\n[apps.a]\nlike = 'b'\n[apps.d]\nlike = 'a'\n"
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.message == "`like` goes in a circle: `b` → `c` → `a` → `b`"


def test_a_circle_of_needs_is_told_as_a_path_from_its_first_app(tmp_path: Path) -> None:
    text = "[apps.x]\nneeds = ['b']\n[apps.a]\nneeds = ['b']\n[apps.b]\nneeds = ['c']\n[apps.c]\nneeds = ['a']\n"
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.message == "`needs` goes in a circle: `a` → `b` → `c` → `a`"
    assert mistake.where is not None
    assert (mistake.where.line, pointed(mistake.where)) == (4, "'b'")


def test_two_containers_cannot_have_one_port_of_the_host(tmp_path: Path) -> None:
    text = "[apps.a]\nports = [8000]\n[apps.b]\nports = [80, 8000]\n[services.c]\nport = 80\n"
    assert [one.message for one in mistakes(tmp_path, text)] == [
        "port `8000` is taken by `a`",
        "port `80` is taken by `b`",
    ]


def test_a_task_says_in_which_of_several_apps_it_runs(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, "[apps.a]\n[apps.b]\n[tasks.t]\nrun = 'x'\n")
    assert (mistake.message, mistake.hint) == ("`tasks.t` does not say in which app", "add `app`: `a` or `b`")


def test_a_folder_that_is_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "out").symlink_to("..")
    (mistake,) = mistakes(project, "[apps.web]\ndir = 'out'\n")
    assert mistake.message == "`out` leads out of the project"
    assert mistake.hint == "it is a symbolic link; name the folder itself"


def test_one_wrong_part_brings_no_mistake_that_is_none(tmp_path: Path) -> None:
    text = """
services.postgres = 3
[apps.web]
ports = "8000"
ready = { http = "/" }
needs = ["postgres"]
[apps.worker]
ready = { htpp = "/" }
[apps.cron]
limits = 3
"""
    assert [one.message for one in mistakes(tmp_path, text)] == [
        "`services.postgres`: expected a table, got a number",
        "`apps.web.ports`: expected a list of ports, got a string",
        "unknown key `htpp` in `apps.worker.ready`",
        "`apps.cron.limits`: expected a table, got a number",
    ]


def test_a_newer_file_is_refused_before_its_keys_are_judged(tmp_path: Path) -> None:
    write(tmp_path, "require_version = '>=99'\nnew_key = 1")
    with pytest.raises(DevenvError) as caught:
        config.load(tmp_path)
    assert caught.value.message.startswith("this project requires devenv >=99, this is ")
    assert pointed(caught.value.where) == "'>=99'"


def test_a_missing_or_odd_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    (missing,) = mistakes_of(tmp_path)
    assert missing.message == "cannot read `devenv.toml`: no such file or directory"
    os.mkfifo(tmp_path / "devenv.toml")
    (odd,) = mistakes_of(tmp_path)
    assert odd.message == "`devenv.toml` is not a file"


def joins(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "devenv.toml").write_text(f'name = "shop"\n[networks]\n{text}\n')
    try:
        return list(config.read(tmp_path).project.joins)
    except Problems as error:
        return [f"{one.message} ({one.hint})" for one in error.problems]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('join = ["team", "data-2"]', ["team", "data-2"]),
        ("join = []", []),
        ('joins = ["team"]', ["unknown key `joins` in `networks` (did you mean `join`?)"]),
        ('join = ["team", "team"]', ["network `team` stands here twice (remove one of them)"]),
        ('join = "team"', ["`networks.join`: expected a list of strings, got a string (None)"]),
        (
            'join = ["My Team"]',
            [
                "`My Team` is no DNS label: lower-case letters, digits and hyphens, at most 40 (`my-team` is one)",
            ],
        ),
    ],
)
def test_networks_to_join_are_names_each_once(tmp_path: Path, text: str, found: list[str]) -> None:
    assert joins(tmp_path, text) == found
