"""Writes a blueprint as files for people, editors, CI and plain `docker compose`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from devenv import blueprint, catalog
from devenv import files as disk
from devenv.blueprint import hashing
from devenv.errors import DevenvError
from devenv.model.blueprint import Blueprint

if TYPE_CHECKING:
    import jinja2

COMPOSE_LABELS = "com.docker.compose."


def fingerprint(wanted: Blueprint) -> str:
    """The blueprint's hash, lower-case hex; an image counts by its key."""
    return hashing.of(replace(wanted, images=tuple(replace(image, recipe=None) for image in wanted.images)))


def files(wanted: Blueprint) -> dict[str, str]:
    """The rendered files by path in the project, `.devenv/compose.yaml` first."""
    environment = _environment()
    checked = {one.unit for one in wanted.containers if one.health}
    compose = environment.get_template("compose.yaml.j2").render(
        blueprint=wanted, checked=checked, blueprint_hash=fingerprint(wanted)
    )
    recipes = {image.reference: image.recipe for image in wanted.images}
    dockerfile = environment.get_template("Dockerfile.j2")
    rendered = {blueprint.COMPOSE_FILE: compose}
    for container in wanted.containers:
        recipe = recipes[container.image]
        if container.kind == "app" and recipe is not None:
            packages = sum(len(run) for layer in recipe.layers for run in layer.runs)
            text = dockerfile.render(container=container, packages=packages)
            rendered[f".devenv/{container.unit}/Dockerfile"] = text
    return rendered


def write(wanted: Blueprint, folder: Path) -> tuple[str, ...]:
    """Write the files that are not there as they must be; return the paths written."""
    mark = f"# blueprint {fingerprint(wanted)}\n"
    compose = folder / blueprint.COMPOSE_FILE
    if compose.is_file() and _second_line(compose) == mark:
        return ()
    rendered = files(wanted)
    disk.write(folder / ".devenv" / ".gitignore", "*\n")
    # The compose file comes last: its mark says that all the others are there.
    for path in reversed(rendered):
        disk.write(folder / path, rendered[path], mode=0o600)
    return tuple(rendered)


def _second_line(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as stream:
        stream.readline()
        return stream.readline()


def quoted(value: str) -> str:
    """A YAML double-quoted string that compose reads back as `value`: ASCII only, `$` as `$$`.

    JSON's escapes are YAML's, except that JSON writes characters beyond U+FFFF as two escapes, which YAML reads as two
    characters.

    Raises:
        DevenvError: The value holds a NUL, which no variable and no argument can.
    """
    if "\0" in value:
        raise DevenvError(f"a value holds a NUL character: {value!r}", hint="remove it")
    return '"' + "".join(_escaped(character) for character in value) + '"'


def _escaped(character: str) -> str:
    if character == "$":
        return "$$"
    if ord(character) > 0xFFFF:
        return f"\\U{ord(character):08X}"
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\x7F"


def dockerfile_word(value: str) -> str:
    """A double-quoted word of a Dockerfile in which nothing is expanded.

    Raises:
        DevenvError: The value holds a line break, which a Dockerfile's `ENV` cannot carry.
    """
    if "\n" in value or "\r" in value:
        raise DevenvError(f"a Dockerfile cannot hold this value, it has a line break: {value!r}", hint="remove it")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def _exec_form(parts: tuple[str, ...]) -> str:
    return json.dumps(list(parts))


def _volume_key(source: str, instance: str, kind: str) -> str:
    return source.removeprefix(f"{instance}_") if kind == "volume" else source


def _own(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Labels but those that compose sets itself."""
    return sorted((key, value) for key, value in labels.items() if not key.startswith(COMPOSE_LABELS))


def _seconds(value: float) -> str:
    return f"{value:g}s"


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(catalog.data_folder()),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 -- YAML and Dockerfiles, no HTML: every value goes through a filter below
    )
    environment.filters |= {
        "quote": quoted,
        "dockerfile": dockerfile_word,
        "exec_form": _exec_form,
        "volume_key": _volume_key,
        "own": _own,
        "seconds": _seconds,
    }
    return environment
