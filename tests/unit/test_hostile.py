"""P2: files of a repository cannot read a variable or file of the host, relax trust, or choose where images go.

A secret is planted in a variable and in a file of the home folder; whatever a repository brings, it appears nowhere.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import git, identity, lockfile, render, workspace
from devenv.blueprint import setup
from devenv.commands import check, push, up
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import SeenImage
from devenv.errors import DevenvError, LockfileError, Problems, UsageError
from devenv.hooks import repository
from devenv.live import Background
from devenv.model import labels
from devenv.model.machine import Machine
from devenv.telling import Event
from devenv.ui import errors
from devenv.workspace import Workspace
from tests import projects

EXAMPLES = Path(__file__).parents[2] / "examples"
CANARY = "c4n4ry-s3cr3t"
TEXT = 'name = "shop"\nimages = "debian"\n[apps.web]\nstack = "python"\n{}\n[services.redis]\n'
INSIDE = f"export TOKEN={CANARY}\n[{CANARY}\n"
"""The planted file: a text that no parser takes, so that its errors show a line of it if they show any."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / "conf").mkdir(parents=True)
    (home / "conf/a.sql").write_text(INSIDE)
    (home / "secret").write_text(INSIDE)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_SECRET", CANARY)
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


def machine(folder: Path) -> Machine:
    return Machine(state=folder.parent / "state", cache=folder.parent / "cache")


def load(folder: Path, line: str = "", *, text: str | None = None) -> Workspace:
    (folder / "devenv.toml").write_text(text if text is not None else TEXT.format(line))
    found = workspace.load(folder, machine(folder))
    lockfile.write(folder, projects.lock(found.project, found.entries))
    return found


def told(folder: Path, line: str = "", *, text: str | None = None, planted: Path | None = None) -> str:
    """All that can be seen of a project that is checked and brought up: files, the engine's knowledge, messages."""
    seen: list[str] = []
    try:
        seen += _brought_up(load(folder, line, text=text))
    except DevenvError as error:
        seen += [errors.text(one) for one in (error.problems if isinstance(error, Problems) else (error,))]
    try:
        seen += [errors.text(one) for one in check.run(folder, machine(folder)).problems]
    except DevenvError as error:
        seen.append(errors.text(error))
    places = [place for place in (folder / ".devenv", folder.parent / "state") if not place.is_symlink()]
    written = [path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    written = [path for path in written if path != planted]
    return "\n".join([*seen, *(path.read_text(errors="replace") for path in written)])


def _brought_up(project: Workspace) -> list[str]:
    engine, heard = MemoryEngine(), list[Event]()
    wanted = workspace.resolve(project, "amd64")
    for image in wanted.images:
        digest = f"sha256:{image.key}"
        engine.images[image.reference] = SeenImage(digest, digest, {labels.PIN: image.key})
    rendered = render.files(wanted, identity.current(project))
    up.run(project, engine, Background(project, "memory://"), tell=heard.append)
    return [repr(wanted), *rendered.values(), repr(engine.containers), repr(engine.calls), repr(heard)]


def is_nowhere(text: str) -> bool:
    hashes = {hashlib.sha256(one.encode()).hexdigest() for one in (CANARY, INSIDE)}
    return CANARY not in text and not any(one in text for one in hashes)


# --- variables ---

ASKS = (
    *("$AWS_SECRET", "${AWS_SECRET}", "${AWS_SECRET:-}", "$$AWS_SECRET", "$(echo $AWS_SECRET)", "`echo $AWS_SECRET`"),
    *("{{ env.AWS_SECRET }}", "{{ cycler.__init__.__globals__.os.environ }}", "{% include secret %}"),
    *(
        "%AWS_SECRET%",
        "{env:AWS_SECRET}",
        "!ENV AWS_SECRET",
        "file:///proc/self/environ",
        "@~/secret",
        "<(cat ~/secret)",
    ),
)


@pytest.mark.parametrize("value", ASKS)
def test_no_value_reads_a_variable_of_the_host(folder: Path, value: str) -> None:
    quoted = f"'{value}'"
    lines = f"env = {{ A = {quoted} }}\nrun = {quoted}\nsetup = [{quoted}]\nready = {{ exec = [{quoted}] }}"
    text = TEXT.format(lines) + f"env = {{ B = {quoted} }}\nsettings = {{ maxmemory = {quoted} }}\n"
    seen = told(folder, text=text)
    assert is_nowhere(seen)
    assert "Traceback" not in seen
    assert repr(value)[1:-1] in seen


def test_a_name_of_a_variable_brings_no_value_with_it(folder: Path) -> None:
    assert is_nowhere(told(folder, "env = { AWS_SECRET = '' }"))


@pytest.mark.parametrize("name", [".env", ".devenv/.env", ".env.local", ".envrc"])
def test_no_file_of_variables_is_read(folder: Path, name: str) -> None:
    (folder / ".devenv").mkdir()
    state = folder / "planted"
    (folder / name).write_text(
        f"DEVENV_STATE={state}\nDEVENV_ENGINE=tcp://h0stile:1\nDEVENV_REGISTRY_IMAGES=h0stile.example/x\n"
        "DOCKER_HOST=tcp://h0stile:1\nCOMPOSE_FILE=h0stile.yaml\nFROM_DOTENV=h0stile\n"
    )
    assert "h0stile" not in told(folder, planted=folder / name)
    assert not state.exists()


@pytest.mark.parametrize("name", ["compose.yaml.j2", "services/redis.j2", "templates/compose.yaml.j2", "Dockerfile.j2"])
def test_no_template_of_the_project_is_rendered(folder: Path, name: str) -> None:
    place = folder / ".devenv" / name
    place.parent.mkdir(parents=True)
    place.write_text("{{ cycler.__init__.__globals__.os.environ }} h0stile")
    seen = told(folder, planted=place)
    assert is_nowhere(seen)
    assert "h0stile" not in seen


# --- files ---

LINKS: dict[str, tuple[str, str]] = {
    "dir": ("away", "dir = 'away'"),
    "dir through a folder": ("away", "dir = 'away/conf'"),
    "setup": ("requirements.txt", "setup = ['pip install -r requirements.txt']"),
    "setup by name": ("away", "setup = ['cat away']"),
    "a rule's input": ("away", "setup = ['true']\n[[sync.rules]]\npath = 'away'\naction = 'setup'"),
    "a mount": ("away", "mounts = { '/a' = 'away' }"),
    "init": ("away.sql", "[services.postgres]\ninit = ['away.sql']"),
    "init by a pattern": ("away.sql", "[services.postgres]\ninit = ['*.sql']"),
    "init through a folder": ("away", "[services.postgres]\ninit = ['away/*.sql']"),
    "a file of a service": ("away", "[services.prometheus]\nimages = 'registry'\nconfig = 'away'"),
    "a Dockerfile": ("Dockerfile", "[services.search]\ndockerfile = 'Dockerfile'"),
    "a context": ("away", "[services.search]\ndockerfile = 'real/Dockerfile'\ncontext = 'away'"),
    "an ignore file": (".dockerignore", "[services.search]\ndockerfile = 'real/Dockerfile'\ncontext = '.'"),
    "a seed": ("away", "[data]\nseed = 'away'"),
    "an overlay": ("devenv.local.toml", ""),
    "a service of the catalog": (".devenv/services/own.toml", "[services.own]"),
    "a folder of the catalog": (".devenv/services", "[services.secret]"),
    "a stack": (".devenv/stacks/own.toml", "[apps.own]\nstack = 'own'"),
    "what devenv keeps": (".devenv", ""),
    "secrets": (".devenv/secrets", "[services.postgres]"),
    "rendered files": (".devenv/web", ""),
    "hooks": (".devenv/hooks/tree", ""),
}


@pytest.mark.parametrize(("name", "line"), LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("target", ["secret", "conf", "conf/a.sql"])
def test_no_link_brings_a_file_of_the_host(folder: Path, home: Path, name: str, line: str, target: str) -> None:
    (folder / "real").mkdir()
    (folder / "real/Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(home / target)
    before = sorted((path, path.read_text()) for path in home.rglob("*") if path.is_file())
    assert is_nowhere(told(folder, line))
    assert sorted((path, path.read_text()) for path in home.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("name", ["devenv.toml", "devenv.lock"])
def test_the_project_s_files_are_no_links_out_of_it(folder: Path, home: Path, name: str) -> None:
    load(folder)
    (folder / name).unlink()
    (folder / name).symlink_to(home / "secret")
    with pytest.raises(DevenvError) as caught:
        lockfile.read(folder) if name == "devenv.lock" else workspace.load(folder, machine(folder))
    found = caught.value.problems[0] if isinstance(caught.value, Problems) else caught.value
    assert found.message == f"`{name}` is a symbolic link that leads out of the project"
    assert is_nowhere("\n".join(errors.text(one) for one in check.run(folder, machine(folder)).problems))
    assert (home / "secret").read_text() == INSIDE


def test_files_in_an_entry_s_folder_are_its_own(folder: Path, home: Path) -> None:
    services = folder / ".devenv/services"
    services.mkdir(parents=True)
    text = (EXAMPLES / "postcards/.devenv/services/mail.toml").read_text()
    (services / "mail.toml").write_text(text.replace('source = "mailbox.py"', 'source = "secret"'))
    (services / "mail").symlink_to(home)
    seen = told(folder, "[services.mail]")
    assert "`.devenv/services/mail/secret` leads out of the project by a link" in seen
    assert is_nowhere(seen)


def test_the_hash_of_what_a_link_finds_outside_is_told_to_nobody(folder: Path, home: Path) -> None:
    (folder / "requirements.txt").symlink_to(home / "secret")
    hashes = set()
    for text in ("one", "two"):
        (home / "secret").write_text(text)
        project = load(folder, "setup = ['pip install -r requirements.txt']")
        hashes.add(setup.of(project.project, project.project.apps[0], project.entries, "key").hash)
    assert len(hashes) == 1


def test_devenv_writes_nowhere_but_in_the_project(folder: Path, home: Path) -> None:
    for name in (".devenv", ".devenv/hooks", ".devenv/snapshots", ".devenv/web", ".devenv/passwd"):
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(home)
        with pytest.raises(DevenvError, match="is a symbolic link, and devenv writes there"):
            load(folder)
        place.unlink()


def test_the_project_s_own_entries_may_be_links_within_the_project(folder: Path) -> None:
    services = folder / ".devenv/services"
    services.mkdir(parents=True)
    (folder / "own.toml").write_text((projects.CATALOG.folders[0] / "services/redis.toml").read_text())
    (services / "own.toml").symlink_to("../../own.toml")
    assert load(folder, "[services.own]").project.services[0].use == "own"
    services.rename(folder / "catalog")
    (folder / "catalog/own.toml").unlink()
    (folder / "catalog/own.toml").symlink_to("../own.toml")
    services.symlink_to("../catalog")
    assert load(folder, "[services.own]").project.services[0].use == "own"


# --- what is run on the host ---


def test_files_that_make_a_folder_a_repository_run_nothing(folder: Path, tmp_path: Path) -> None:
    """Files of a commit can be all that git needs to take a folder for a repository, settings included."""
    proof = tmp_path / "proof"
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True, env={"PATH": os.environ["PATH"]})
    run = f"touch {proof}; cat"
    (folder / "config").write_text(
        f'[core]\nrepositoryformatversion = 0\nbare = false\nworktree = .\nfsmonitor = "{run}"\n'
        f'[filter "evil"]\nsmudge = "{run}"\nclean = "{run}"\n'
    )
    (folder / ".gitattributes").write_text("* filter=evil\n")
    (folder / "devenv.toml").write_text(TEXT.format(""))
    (folder / ".devenv").mkdir()
    (folder / ".devenv/compose.yaml").touch()
    assert git.tracked(folder, ".devenv") == ()
    with pytest.raises(DevenvError, match="is in no git repository"):
        repository.of(folder)
    told(folder)
    assert not proof.exists()
    # It would have been run without care.
    subprocess.run(["git", "add", "-A"], cwd=folder, check=False, capture_output=True)
    assert proof.exists()


# --- where images go ---


@pytest.mark.parametrize(
    "text",
    [
        '[registry]\nimages = "evil.example/x"\n',
        'registry_images = "evil.example/x"\n',
        '[push]\nto = "evil.example/x"\n',
        'engine = "tcp://evil.example:1"\n',
        '[debian]\nmirror = "https://evil.example"\n',
        'ca_certificates = ["evil.pem"]\n',
    ],
)
@pytest.mark.parametrize("name", ["devenv.toml", "devenv.local.toml"])
def test_no_file_of_the_repository_says_where_images_go_or_come_from(folder: Path, text: str, name: str) -> None:
    (folder / "devenv.toml").write_text(TEXT.format(""))
    (folder / name).write_text(text)
    with pytest.raises(Problems) as caught:
        workspace.load(folder, machine(folder))
    assert caught.value.problems[0].message.startswith("unknown key")


def test_without_the_user_s_word_nothing_is_pushed(folder: Path) -> None:
    engine = MemoryEngine()
    with pytest.raises(UsageError, match="no repository is named"):
        push.run(load(folder), engine, None, tell=lambda _: None)
    assert engine.calls == []


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/x.deb", "//evil.example/x.deb", "../x.deb", "pool/../../x.deb", "/etc/passwd", "pool/x"],
)
def test_a_lockfile_names_no_other_archive_and_no_file_of_the_host(folder: Path, path: str) -> None:
    lock = projects.lock(load(folder).project)
    layer = projects.layers(lock)["base"]
    evil = replace(layer.runs[0][0], path=path)
    text = lockfile.text(projects.with_layers(lock, {"base": replace(layer, runs=((evil,),))}))
    with pytest.raises(LockfileError, match="is damaged"):
        lockfile.parse(text)


def test_a_lockfile_lets_no_other_registry_take_the_place_of_one(folder: Path) -> None:
    project = load(folder, text='name = "shop"\n[services.search]\nimage = "docker.io/acme/search:2"\n')
    lock = projects.lock(project.project)
    pins = replace(lock.platforms["amd64"], registry={"evil.example/search:2": projects.image("evil.example/search:2")})
    lockfile.write(folder, replace(lock, platforms={"amd64": pins}))
    with pytest.raises(LockfileError, match="is stale"):
        workspace.resolve(project, "amd64")
