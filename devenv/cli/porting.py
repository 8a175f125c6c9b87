"""The arguments of `devenv import`, `devenv eject` and `devenv render`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.model.project import Origin

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A compose file, or a devcontainer.json.")],
    images: Annotated[str, typer.Option(metavar="registry|debian", help="Where images come from.")] = "registry",
    output: Annotated[str, typer.Option(metavar="FILE", help="Where to write.")] = "devenv.toml",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print it, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a compose file or a devcontainer.json into a devenv.toml, and list what could not be carried over."""
    from devenv.commands import importing
    from devenv.ui import porting as shown

    if images not in ("registry", "debian"):
        raise UsageError(f"`--images` is `registry` or `debian`, not `{images}`")
    origin: Origin = "debian" if images == "debian" else "registry"
    result = importing.run(context.obj.folder.absolute(), file, origin, output=output, dry_run=dry_run)
    shown.imported(result, dry_run=dry_run, as_json=as_json)
