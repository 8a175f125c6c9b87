"""Whatever stands in the file: values stay values (P3), and what cannot be read is named with its place (P15)."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

import pytest

from devenv import catalog, config
from devenv.errors import DevenvError, Problems
from devenv.importing import read
from tests import importable, projects
from tests.unit.importing import imports

PIECES = (
    *('"', "'", "\\", "\n", "\r", "\t", "#", "]", "}", "[services.evil]", '"""', "'''", "= ", "\u2028", "\u202e", "🦊"),
    *("\x1b[31m", "\x7f", "$$", "{image}", "x: y", "- ", "&a", "*a", "<<", "!!python/object", "\x85", "é", "\ufeff"),
)


def payloads(count: int) -> list[str]:
    chance = random.Random(7)
    return ["".join(chance.choices(PIECES, k=chance.randint(1, 6))) for _ in range(count)]


def test_300_payloads_come_out_of_every_field_as_they_went_in(tmp_path: Path) -> None:
    given = [one for one in payloads(300) if "\ufeff" not in one]
    services = {
        f"s{number}": {
            "image": "a",
            "command": ["run", one],
            "entrypoint": [one or "x"],
            "environment": {"VALUE": one},
            "healthcheck": {"test": ["CMD", one]},
        }
        for number, one in enumerate(given)
    }
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": services}).replace("$$", "$$$$"))
    made = read(tmp_path, "compose.yaml", catalog.of(tmp_path), "registry")
    project = config.read(tmp_path, text=made.text).project
    assert len(project.services) == len(given)
    for service, one in zip(project.services, given, strict=True):
        assert (service.image, service.command, service.entrypoint) == ("a", ("run", one), (one,))
        assert service.env == {"VALUE": one}
        assert service.ready is not None
        assert service.ready.exec == (one,)
        assert (service.ports, service.volumes, service.reach.mounts) == ((), {}, ())


def test_300_payloads_as_names_and_keys_make_nothing_else(tmp_path: Path) -> None:
    for number, one in enumerate(payloads(300)):
        folder = tmp_path / str(number)
        folder.mkdir()
        tree = {"name": one, "services": {one: {"image": "a", one: one, "profiles": [one], "environment": {one: one}}}}
        (folder / "compose.yaml").write_text(json.dumps(tree | {one: one, "volumes": {one: {}}}))
        try:
            made = read(folder, "compose.yaml", projects.CATALOG, "registry")
            project = config.read(folder, text=made.text).project
        except DevenvError as error:
            named(error)
            continue
        assert "evil" not in {service.name for service in project.services}
        assert all(text.isprintable() for loss in made.losses for text in (loss.what, loss.why, loss.remedy))


def named(error: DevenvError) -> None:
    """An error people can use: no control characters, one line."""
    for one in error.problems if isinstance(error, Problems) else (error,):
        assert one.message.isprintable(), one.message
        assert one.hint is None or one.hint.isprintable()
        assert one.where is None or one.where.text.isprintable()


SEEDS = (
    *(which.files[which.file].replace("{{", "{").replace("}}", "}") for which in importable.COMPOSE.values()),
    *(which.files[which.file].replace("{{", "{").replace("}}", "}") for which in importable.DEVCONTAINERS.values()),
)


@pytest.mark.parametrize("kind", ["compose.yaml", ".devcontainer.json"])
def test_broken_files_are_named_with_a_place(tmp_path: Path, kind: str) -> None:
    chance = random.Random(11)
    imports.files(tmp_path, {"Dockerfile": "FROM debian\n", "common.yaml": "services: {base: {image: a}}\n"})
    places = 0
    for _ in range(400):
        text = broken(chance.choice(SEEDS), chance)
        (tmp_path / kind).write_text(text, encoding="utf-8", errors="replace")
        try:
            made = read(tmp_path, kind, projects.CATALOG, "registry")
            config.read(tmp_path, text=made.text)
        except DevenvError as error:
            named(error)
            places += getattr(error, "where", None) is not None
    assert places > 50


def broken(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(text) + 1), chance.randint(0, 12)
        middle = chance.choice(
            ["", chance.choice(PIECES), text[at : at + length] * 2, chance.choice(string.punctuation)]
        )
        text = text[:at] + middle + text[at + length :]
    return text


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: [1", "expected `,` or `]`", 1),
        ("services:\n\tweb: {}", "found character `\\t`", 2),
        ("services: {}\nservices: {}", "`services` stands here twice", 2),
        ("a: *nobody", "`*nobody` refers to nothing", 1),
        ("a: &a [*a]", "`*a` refers to nothing", 1),
        ("services: !reset null", "the tag `!reset` is not known", 1),
        ("a: 1\n---\nb: 1", "a second document begins here", 2),
        ("a: \x01", "a character that YAML does not allow", 1),
        ("x: " + "[" * 100, "nested in more than 64 levels", 1),
        ("? [a]\n: b", "a key has to be a text", 1),
        ('a: "\\ud800"', "half a character stands here", 1),
        ("services: [web]", "`services`: expected a table", 1),
        ("services:\n  web: [a]", "`services.web`: expected a table", 2),
        ("services:\n  web:\n    image: [a]", "`image`: expected a single value", 3),
        ("services:\n  web:\n    image: a\n    ports: 80", "`ports`: expected a list", 4),
        ("services:\n  web:\n    extends: web", "`extends` goes in a circle", 3),
        ("services:\n  web:\n    extends: nobody", "there is no service `nobody` to extend", 3),
        ("<<: 1", "`<<` takes a table", 1),
        ("volumes: {}", "this file has no `services`", 1),
    ],
)
def test_a_mistake_in_yaml_is_told_with_its_line(tmp_path: Path, text: str, message: str, line: int) -> None:
    with pytest.raises(DevenvError) as caught:
        imports.done(tmp_path, {"compose.yaml": text})
    assert message in caught.value.message
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == ("compose.yaml", line)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ('{\n "a": 1 "b": 2}', "unexpected", 2),
        ("{", "unexpected end of input", 1),
        ("[" * 100, "nested in more than 64 levels", 1),
        ("[1]", "expected a table", 1),
        ("{}", "it has neither `image` nor `build`", 1),
        ('{"image": ["a"]}', "`image`: expected a single value", 1),
        ('{\n"dockerComposeFile": "a.yml"}', "`service` is missing", 1),
        ('{"image": "a", "features": []}', "`features`: expected a table", 1),
        ('{"build": {"dockerfile": "Nothing"}}', "cannot read `.devcontainer/Nothing`", 1),
    ],
)
def test_a_mistake_in_json_is_told_with_its_line(tmp_path: Path, text: str, message: str, line: int) -> None:
    imports.files(tmp_path, {".devcontainer/a.yml": "services: {x: {image: a}}\n"})
    with pytest.raises(DevenvError) as caught:
        imports.done(tmp_path, {".devcontainer/devcontainer.json": text}, file=".devcontainer/devcontainer.json")
    assert message in caught.value.message
    assert caught.value.where is not None
    assert caught.value.where.line == line


def test_aliases_of_aliases_do_not_grow_without_end(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(DevenvError, match="there are more than 50000 values"):
        imports.done(tmp_path, {"compose.yaml": "\n".join(lines)})


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("nothing.yaml", "there is no file `nothing.yaml`"),
        (".", "there is no file `.`"),
        ("../compose.yaml", "`../compose.yaml` leads out of the project"),
        ("big.yaml", "`big.yaml` is larger than 256 KiB"),
        ("big.json", "`big.json` is larger than 64 KiB"),
        ("binary.yaml", "`binary.yaml` is no text in UTF-8"),
        ("empty.yaml", "`empty.yaml` is empty"),
    ],
)
def test_what_is_no_file_to_import_is_named(tmp_path: Path, file: str, message: str) -> None:
    for name, content in {
        "big.yaml": b"#" * 300_000,
        "big.json": b" " * 70_000,
        "binary.yaml": b"\xff\xfe",
        "empty.yaml": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DevenvError) as caught:
        read(tmp_path, file, projects.CATALOG, "registry")
    assert caught.value.message == message
    assert caught.value.hint is not None
