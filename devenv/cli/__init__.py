"""The command line: the only place that catches and exits."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from devenv.cli import session, verbs
from devenv.errors import DevenvError, Untrusted, UsageError
from devenv.ui import errors, screen

INTERRUPTED = 130
BUG = 3
# Set by the scripts of shells that `devenv --show-completion` prints.
COMPLETING = "_DEVENV_COMPLETE"
COMPLETION = {"--install-completion", "--show-completion"}


def main() -> NoReturn:
    """Run the command line; the exit codes stand in `docs/reference/exit-codes.md`."""
    # Starting makes many objects and drops few: looking for garbage all the while takes a twentieth of the time.
    gc.set_threshold(50_000, 20, 20)
    _leave(guarded(sys.argv[1:]))


def _leave(code: int) -> NoReturn:
    """End without taking the interpreter apart, which takes as long as a fifth of `devenv check`.

    Nothing is left to do by then: files are written at once and whole, locks are the kernel's.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass  # the reader has gone: `devenv logs | head`
    os._exit(code)


def guarded(arguments: list[str]) -> int:
    """Run it; return the exit code whatever happens."""
    try:
        return _consented(arguments)
    except DevenvError as error:
        errors.show(error)
        return error.exit_code
    except KeyboardInterrupt:
        screen.say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        if _is_abort(error):
            screen.say("interrupted")
            return INTERRUPTED
        return _bug(error)


def _is_abort(error: Exception) -> bool:
    """Whether it is click's word for ^C at a question, which may be asked without its parser around."""
    return type(error).__name__ == "Abort" and type(error).__module__.startswith(("click", "typer"))


def _consented(arguments: list[str]) -> int:
    """Run it; where that takes consent, ask for it on a terminal, and begin anew: nothing was begun before."""
    try:
        return _run(arguments)
    except Untrusted as error:
        from devenv.cli import trusting

        if not trusting.asked(error):
            raise
    return _run(arguments)


def _run(arguments: list[str]) -> int:
    # Bare, these need no parser, and importing one takes longer than they do.
    bare = verbs.BARE.get(tuple(arguments))
    if bare is not None:
        return bare(session.Options()) or 0
    from devenv.cli import arguments as parser

    if COMPLETING in os.environ or not COMPLETION.isdisjoint(arguments):
        from devenv.cli import completing

        completing.prepare()
        if COMPLETING in os.environ:
            return completing.answer(parser.command())
    try:
        result = parser.app(arguments, standalone_mode=False, prog_name="devenv")
    except parser.Abort as error:
        raise KeyboardInterrupt from error
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _usage(error)
    return result if isinstance(result, int) else 0


def _usage(error: Any) -> int:
    """The command line is wrong; the error is click's own, which typer carries under a private name."""
    words = str(error.format_message()).rstrip(".").replace("'", "`")
    if words:
        errors.show(UsageError(words[0].lower() + words[1:], hint="`devenv --help` lists the commands"))
    return UsageError.exit_code


def _bug(error: Exception) -> int:
    try:
        folder = session.machine().state
    except Exception:  # the machine's settings may be what is wrong
        import tempfile

        folder = Path(tempfile.gettempdir()) / "devenv"
    path = errors.write_report(error, folder)
    errors.show(
        DevenvError(
            f"this is a bug in devenv: {type(error).__name__}: {error}",
            hint=f"a report ready to paste into an issue is in `{path}`",
        )
    )
    return BUG
