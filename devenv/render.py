"""Writes a blueprint as files for people, editors, CI and plain `docker compose`."""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from devenv import blueprint, catalog
from devenv import files as disk
from devenv.blueprint import hashing, joined
from devenv.errors import DevenvError
from devenv.model.blueprint import Blueprint, Mount
from devenv.model.pins import DerivedRecipe, DockerfileRecipe, ImageRecipe, RegistryPin

if TYPE_CHECKING:
    import jinja2

COMPOSE_LABELS = "com.docker.compose."
BASE_DOCKERFILE = "base.Dockerfile"
_DIRECTIVE = re.compile(r"#\s*(escape|check)\s*=", re.I)
IGNORED = "*\n!/services/\n!/services/**\n!/stacks/\n!/stacks/**\n"
"""What `.devenv/.gitignore` says: everything is made anew, but for the project's own entries of the catalog."""


def fingerprint(wanted: Blueprint) -> str:
    """The blueprint's hash, lower-case hex; an image counts by its key, and a copied file by its content, too.

    Files with secrets count by their fingerprints, which the blueprint has.
    """
    images = [(image.reference, image.key) for image in wanted.images]
    contents = [path.read_bytes() if path.is_file() else None for path in map(Path, _copied(wanted))]
    return hashing.of([images, replace(wanted, images=()), *contents])


def files(wanted: Blueprint, environment_id: str) -> dict[str, str]:
    """The rendered files by path in the project, `.devenv/compose.yaml` first."""
    checked = {one.unit for one in wanted.containers if one.health}
    configs, left_out = _configs(wanted)
    compose = _template("compose.yaml.j2").render(
        blueprint=wanted,
        replicas=Counter(one.unit for one in wanted.containers),
        checked=checked,
        configs=configs,
        secrets=secret_configs(wanted),
        left_out=left_out,
        blueprint_hash=fingerprint(wanted),
        environment_id=environment_id,
    )
    return {blueprint.COMPOSE_FILE: compose} | dockerfiles(wanted)


def _copied(wanted: Blueprint) -> tuple[str, ...]:
    """The files without secrets that are copied into containers, each once."""
    secret = {one.source for container in wanted.containers for one in container.secrets}
    mounts = (mount for container in wanted.containers for mount in container.mounts if mount.kind == "copy")
    return tuple(dict.fromkeys(mount.source for mount in mounts if mount.source not in secret))


def secret_configs(wanted: Blueprint) -> dict[str, str]:
    """What compose calls the files with secrets that it is to copy, by path."""
    copied = {mount.source for container in wanted.containers for mount in container.mounts if mount.kind == "copy"}
    return {
        one.source: f"{container.unit}.{one.name}"
        for container in wanted.containers
        for one in container.secrets
        if one.source in copied
    }


def compose_secrets(values: Mapping[str, str]) -> str:
    """The file that compose takes the secrets from which it is to copy, by what it calls them."""
    entries = [f"  {quoted(name)}:\n    content: {quoted(value)}\n" for name, value in values.items()]
    return "".join(["# Made by devenv: secrets. `.devenv/compose.yaml` includes it.\nconfigs:\n", *entries])


def _configs(wanted: Blueprint) -> tuple[dict[str, tuple[str, str]], tuple[str, ...]]:
    """Names and contents of the files that compose is to copy, by path, and the paths of those that are no text.

    What is not made yet is in neither.
    """
    there = [path for path in _copied(wanted) if Path(path).is_file()]
    texts = {path: _text(Path(path)) for path in there}
    numbered = enumerate(((path, text) for path, text in texts.items() if text is not None), start=1)
    configs = {path: (f"file-{number}", text) for number, (path, text) in numbered}
    return configs, tuple(path for path, text in texts.items() if text is None)


def _text(path: Path) -> str | None:
    """A file's content; None where no compose file can hold it."""
    try:
        content = path.read_bytes().decode()
        quoted(content)
    except (DevenvError, ValueError):
        return None
    return content


def dockerfiles(wanted: Blueprint) -> dict[str, str]:
    """The Dockerfiles by path in the project, the apps' and the services' own; nothing in them is of one machine."""
    sources = {image.reference: image.source for image in wanted.images}
    rendered: dict[str, str] = {}
    for container in wanted.containers:
        source = sources[container.image]
        if isinstance(source, DockerfileRecipe):
            rendered[f".devenv/{container.unit}/Dockerfile"] = _pinned_dockerfile(source)
            continue
        if container.kind == "app" and not isinstance(source, RegistryPin):
            folder = f".devenv/{container.unit}"
            text = _template("Dockerfile.j2").render(container=container, packages=_count(source))
            rendered[f"{folder}/Dockerfile"] = text
            if isinstance(source, DerivedRecipe):
                rendered[f"{folder}/{BASE_DOCKERFILE}"] = base_dockerfile(source)
    return rendered


def base_dockerfile(recipe: DerivedRecipe) -> str:
    """The Dockerfile that an app's image of origin registry is built from."""
    packages = [package for run in recipe.layer.runs for package in run] if recipe.layer else []
    return _template("base.Dockerfile.j2").render(recipe=recipe, packages=packages)


def _pinned_dockerfile(recipe: DockerfileRecipe) -> str:
    """A Dockerfile of the project with every image by its digest."""
    from devenv import dockerfile

    names = {image: _pinned(pin) for image, pin in recipe.bases.items()}
    text = dockerfile.parse(recipe.text, recipe.dockerfile, recipe.arguments).rewritten(names)
    mark = f"# Made by devenv from {quoted(recipe.dockerfile)} and devenv.lock: what `devenv up` builds.\n"
    # What tells how a Dockerfile is to be read has to be its first line.
    return text + mark if _DIRECTIVE.match(text) else mark + text


def argument(number: int) -> str:
    """The build argument that names the image of a further stack, counted from 1."""
    return f"STACK_{number}"


def _count(source: ImageRecipe | DerivedRecipe) -> int:
    layers = source.layers if isinstance(source, ImageRecipe) else filter(None, (source.layer,))
    return sum(len(run) for layer in layers for run in layer.runs)


def write(wanted: Blueprint, folder: Path, environment_id: Callable[[], str]) -> tuple[str, ...]:
    """Write the files that are not there as they must be; return the paths written.

    Args:
        environment_id: Asked for only when there is something to write.
    """
    mark = f"# blueprint {fingerprint(wanted)}\n"
    compose = folder / blueprint.COMPOSE_FILE
    if compose.is_file() and _second_line(compose) == mark:
        return ()
    rendered = files(wanted, environment_id())
    disk.write(folder / ".devenv" / ".gitignore", IGNORED)
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


def _mounted(mounts: tuple[Mount, ...]) -> list[Mount]:
    return [mount for mount in mounts if mount.kind != "copy" and not mount.owner]


def _own(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Labels but those that compose sets itself."""
    return sorted((key, value) for key, value in labels.items() if not key.startswith(COMPOSE_LABELS))


def _seconds(value: float) -> str:
    return f"{value:g}s"


def _pinned(pin: RegistryPin) -> str:
    return f"{pin.reference.partition('@')[0]}@{pin.digest}"


def filled(name: str, /, **values: object) -> str:
    """A template of `templates/` with its values."""
    return _template(name).render(values)


def _template(name: str) -> jinja2.Template:
    return _environment().get_template(name)


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(catalog.data_folder()),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 -- YAML and Dockerfiles, no HTML: every value goes through a filter below
    )
    environment.tests["folder_of"] = lambda mount, container: container.holds_folder(mount)
    environment.filters |= {
        "quote": quoted,
        "shell": shlex.quote,
        "dockerfile": dockerfile_word,
        "exec_form": _exec_form,
        "volume_key": _volume_key,
        "network_key": joined.key,
        "mounted": _mounted,
        "own": _own,
        "seconds": _seconds,
        "pinned": _pinned,
        "argument": argument,
    }
    return environment
