from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv import blueprint, render, upgrades, verifying
from devenv.engine.memory import Built, MemoryEngine
from devenv.engine.protocol import SeenImage
from devenv.errors import ImageError
from devenv.images import written
from devenv.model import labels
from devenv.model.blueprint import Image
from devenv.model.machine import Machine
from devenv.model.pins import DockerfileRecipe, Pins, RegistryPin
from devenv.model.progress import silence
from devenv.model.project import Project, Service
from tests import projects

BASE = "docker.io/library/debian:trixie"
PROXY = {"HTTP_PROXY": "http://proxy.acme.example"}


def project(root: Path, context: str = "search", **files: str) -> Project:
    (root / "search").mkdir(exist_ok=True)
    texts = {"Dockerfile": "FROM debian:trixie\nCOPY . /\n", "data": "data"} | files
    for name, text in texts.items():
        (root / "search" / name).write_text(text)
    service = Service("search", None, dockerfile="search/Dockerfile", context=context)
    return projects.project(root, services=(service,))


def image(made: Project, **changes: RegistryPin) -> Image:
    pins = Pins("amd64", registry={BASE: changes.get("base", projects.image(BASE))})
    (found,) = blueprint.make(made, projects.CATALOG, pins, projects.placement(made.root)).images
    return found


def engine() -> tuple[MemoryEngine, list[dict[str, str]]]:
    """One whose images carry the label that a Dockerfile's last line gives them, and the contexts it was sent."""
    sent: list[dict[str, str]] = []

    def build(_engine: MemoryEngine, context: bytes, _arguments: Mapping[str, str]) -> SeenImage:
        with tarfile.open(fileobj=io.BytesIO(context)) as tar:
            members = [(one.name, tar.extractfile(one)) for one in tar]
            sent.append({name: file.read().decode() if file else "" for name, file in members})
        pin = re.findall(r'LABEL (\S+)="([0-9a-f]+)"\n\Z', next(text for text in sent[-1].values() if "FROM" in text))
        digest = f"sha256:{hashlib.sha256(context).hexdigest()}"
        return SeenImage(digest, digest, dict(pin))

    return MemoryEngine(builder=build), sent


def built(wanted: Image, on: MemoryEngine) -> str:
    assert isinstance(wanted.source, DockerfileRecipe)
    return written.build(
        wanted.source,
        wanted.key,
        wanted.reference,
        engine=on,
        pulled=lambda pin: f"localhost/{pin.config[7:19]}",
        proxy=PROXY,
        report=silence,
    )


def test_the_engine_gets_the_context_and_the_dockerfile_on_what_is_pinned(tmp_path: Path) -> None:
    wanted, (lab, sent) = image(project(tmp_path)), engine()
    digest = built(wanted, lab)
    base = f"localhost/{projects.image(BASE).config[7:19]}"
    text = f'FROM {base}\nCOPY . /\n\n\nLABEL {labels.PIN}="{wanted.key}"\n'
    assert sent == [{"Dockerfile": text, "data": "data"}]
    both = PROXY | {"http_proxy": PROXY["HTTP_PROXY"]}
    assert lab.builds == [Built(wanted.reference, "Dockerfile", True, both)]
    assert lab.images[wanted.reference].config_digest == digest
    assert wanted.digest is None


@pytest.mark.parametrize(
    ("context", "ignored", "place"),
    [
        (".", "", "search/Dockerfile"),
        ("search", "Dockerfile", ".devenv.Dockerfile"),
        ("other", "", ".devenv.Dockerfile"),
    ],
)
def test_a_dockerfile_is_sent_from_wherever_it_is(tmp_path: Path, context: str, ignored: str, place: str) -> None:
    (tmp_path / "other").mkdir()
    lab, sent = engine()
    built(image(project(tmp_path, context, **{".dockerignore": ignored})), lab)
    assert lab.builds[0].dockerfile == place
    assert [name for name, text in sent[0].items() if "FROM" in text] == [place]


def test_the_key_follows_dockerfile_context_and_bases_and_nothing_else(tmp_path: Path) -> None:
    def key(**files: str) -> str:
        return image(project(tmp_path, **files)).key

    plain = key()
    (tmp_path / "elsewhere").write_text("no part of it")
    assert key() == plain
    moved = image(project(tmp_path), base=projects.image(BASE, "2")).key
    assert len({plain, moved, key(data="other"), key(Dockerfile="FROM debian:trixie\n"), key(more="")}) == 5


def test_a_file_changed_while_it_is_sent_makes_no_image(tmp_path: Path) -> None:
    wanted, (lab, _) = image(project(tmp_path)), engine()
    (tmp_path / "search" / "data").write_text("atad")
    with pytest.raises(ImageError, match=r"`.*data` was changed while the image was being built"):
        built(wanted, lab)
    assert lab.images == {}


def test_the_rendered_dockerfile_names_digests_and_keeps_its_first_line_where_it_must(tmp_path: Path) -> None:
    def rendered(text: str) -> str:
        made = project(tmp_path, Dockerfile=text)
        pins = Pins("amd64", registry={BASE: projects.image(BASE)})
        wanted = blueprint.make(made, projects.CATALOG, pins, projects.placement(tmp_path))
        return render.dockerfiles(wanted)[".devenv/search/Dockerfile"]

    pinned = f"FROM {BASE}@{projects.image(BASE).digest}\n"
    assert rendered("FROM debian:trixie\n").endswith(f".\n{pinned}")
    assert rendered("# escape=`\nFROM debian:trixie\n").startswith(f"# escape=`\n{pinned}")


def test_verify_tells_what_it_cannot_prove_and_what_is_of_another_state(tmp_path: Path) -> None:
    wanted, (lab, _) = image(project(tmp_path)), engine()
    built(wanted, lab)
    verdict = verifying.image(wanted, lab, Machine(), silence, lambda _line: None)
    assert verdict.holds
    assert verdict.unproven == "what the commands of `search/Dockerfile` fetch"
    lab.images[wanted.reference] = SeenImage(verdict.digest, verdict.digest, {})
    assert not verifying.image(wanted, lab, Machine(), silence, lambda _line: None).holds


def test_an_upgrade_of_the_service_moves_its_bases(tmp_path: Path) -> None:
    made = project(tmp_path)
    lock = projects.lock(made)
    for name in ("search", "debian", BASE):
        forget = upgrades.forgetting(made, projects.CATALOG, lock, [name])
        assert forget(lock.platforms["amd64"]).registry == {}
