"""The arguments of `devenv init`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.errors import UsageError
from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.model.project import Origin

Images = Annotated[str, typer.Option(metavar="registry|debian", help="Where images come from.")]


def init(
    context: typer.Context,
    images: Images = "registry",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask what cannot be seen.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print it, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print data as JSON.")] = False,
) -> None:
    """Write a first devenv.toml by looking at the project; nothing of it is run."""
    from devenv.commands import init as command
    from devenv.ui import beginning as shown

    if images not in ("registry", "debian"):
        raise UsageError(f"`--images` is `registry` or `debian`, not `{images}`")
    asks = not (yes or as_json or dry_run) and screen.is_interactive()
    origin: Origin = "debian" if images == "debian" else "registry"
    result = command.run(context.obj.folder.absolute(), origin, _ask if asks else _leave, dry_run=dry_run)
    shown.init(result, dry_run=dry_run, as_json=as_json)


def _leave(_app: str) -> None:
    return None


def _ask(app: str) -> tuple[str, int | None] | None:
    run = typer.prompt(
        f"How is `{app}` started? (empty: say so later)", default="", show_default=False, err=True
    ).strip()
    if not run:
        return None
    port = typer.prompt("On which port does it listen? (0: none)", default="0", value_proc=_port, err=True)
    return run, port or None


def _port(text: str) -> int:
    """Read an answer; a wrong one is asked for again."""
    if not text.strip().isdecimal() or int(text) > 65535:
        raise typer.BadParameter("a port is a number from 1 to 65535, 0 is none")
    return int(text)
