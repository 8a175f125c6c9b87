"""Writes the reference pages from what devenv reads itself: `.venv/bin/python scripts/reference.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from devenv import catalog, config, reference
from devenv.model.catalog import ServiceEntry, StackEntry
from scripts import command_line

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Made by scripts/reference.py; a test tells when it is out of date. -->\n"


def pages() -> dict[str, str]:
    """The pages by file name."""
    return {
        "devenv-toml.md": devenv_toml(),
        "catalog.md": catalog_page(),
        "cli.md": command_line.page().replace("MADE", MADE.rstrip(), 1),
        "exit-codes.md": command_line.exit_codes().replace("MADE", MADE.rstrip(), 1),
        "devenv.1": command_line.man_page(),
    }


def devenv_toml() -> str:
    """Every key of `devenv.toml`."""
    lines = [
        "# `devenv.toml`",
        "",
        MADE,
        "`devenv schema` prints the same as JSON Schema. `devenv.local.toml` has the same keys and is laid over it on",
        "one machine; `[profiles.NAME]` likewise with `--profile NAME`: tables merge, everything else is replaced.",
        *_table("", config.schema()),
    ]
    return "\n".join(lines) + "\n"


def _table(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    properties = dict(schema.get("properties", {}))
    plain = {key: one for key, one in properties.items() if not _is_table(one)}
    yield ""
    yield f"## {f'`[{name}]`' if name else 'Top level'}"
    yield ""
    if name and "description" in schema:
        yield from (f"{schema['description']}.", "")
    if plain:
        yield from ("| key | type | meaning |", "|---|---|---|")
        yield from (f"| `{key}` | {_type(one)} | {one.get('description', '')} |" for key, one in plain.items())
    for key, one in properties.items():
        if _is_table(one) and key != "profiles":
            yield from _table(*_below(f"{name}.{key}".lstrip("."), one))


def _below(name: str, schema: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """A table of tables is described by what its tables hold."""
    inner = schema.get("additionalProperties")
    return (f"{name}.NAME", inner) if isinstance(inner, dict) and "properties" in inner else (name, schema)


def _is_table(schema: Mapping[str, Any]) -> bool:
    return "properties" in schema or "properties" in (schema.get("additionalProperties") or {})


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    return "table" if kind == "object" else str(kind)


def catalog_page() -> str:
    """Every service and stack of the catalog."""
    known = catalog.Catalog((catalog.data_folder(),))
    services = {name: known.service(name) for name in known.names("service")}
    not_run = ", ".join(f"`{name}`" for name, one in services.items() if one.debian is None)
    lines = [
        "# The catalog",
        "",
        MADE,
        "Each entry is one file in `templates/services/` or `templates/stacks/`; `devenv services` searches them.",
        "",
        "Every service that Debian trixie has is started by devenv's tests and used by its own protocol. Images of",
        "registries are not: the tests reach none. But what the catalog says of these services' images, so commands,",
        "wrappers, conditions for `ready` and clients, is run against Debian's programs in images of that contract.",
        f"The others were written with care and never run here: {not_run}.",
        "",
    ]
    for name in known.names("service"):
        lines += _service(name, known.service(name))
    for name in known.names("stack"):
        lines += _stack(name, known.stack(name))
    return "\n".join(lines).rstrip() + "\n"


def _service(name: str, entry: ServiceEntry) -> Iterator[str]:
    yield from (f"## Service `{name}`", "", f"{entry.summary}. [Its own documentation]({entry.docs})", "")
    yield from _versions(entry)
    yield f"- Ports: {', '.join(f'{port} ({use})' for use, port in entry.ports.items())}"
    yield f"- Data: {', '.join(f'`{path}`' for path in entry.volumes.values()) or 'none'}"
    if entry.volumes:
        yield f"- Snapshots: {'by its own dump' if entry.dump else 'its files, while it is stopped'}"
    yield f"- Gives apps: {', '.join(f'`{one}`' for one in entry.provides)}"
    yield ""
    if entry.options:
        yield from ("| option | type | meaning | default |", "|---|---|---|---|")
        for key, one in entry.options.items():
            default = "generated" if one.secret else ", ".join(f"`{item}`" for item in one.default) or "none"
            yield f"| `{key}` | {one.type} | {one.summary} | {default} |"
        yield ""


def _stack(name: str, entry: StackEntry) -> Iterator[str]:
    yield from (f"## Stack `{name}`", "", f"{entry.summary}. [Its own documentation]({entry.docs})", "")
    yield from _versions(entry)
    yield f"- Setup runs again when one of these changes: {', '.join(f'`{one}`' for one in entry.inputs)}"
    yield ""


def _versions(entry: ServiceEntry | StackEntry) -> Iterator[str]:
    for suite, packages in (entry.debian.packages if entry.debian else {}).items():
        yield f"- Debian {suite}: {', '.join(f'`{version}`' for version in packages)}"
    if entry.registry is not None:
        name = reference.parse(entry.registry.image).name
        tag = entry.registry.tag.replace("{version}", "VERSION")
        versions = ", ".join(f"`{one}`" for one in entry.registry.versions)
        yield f"- Registry: `{name}:{tag}`, {versions} and any other tag; without a version `{entry.registry.default}`"


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
