"""The pages about the command line, made from what devenv parses and raises itself; `reference.py` writes them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from devenv import __version__, cli, errors
from devenv.cli import arguments, completing

# Where what a command prints with --json is its result alone; `!` stands for a list of them.
RESULTS: Mapping[str, str] = {
    "add": "add.AddResult",
    "diff": "diff.DiffResult",
    "doctor": "doctor.DoctorResult",
    "down": "down.DownResult",
    "init": "init.InitResult",
    "lock": "lock.LockResult",
    "ls": "!ls.Row",
    "prune": "prune.PruneResult",
    "pull": "pull.PullResult",
    "push": "push.PushResult",
    "remove": "remove.RemoveResult",
    "scale": "scale.ScaleResult",
    "services": "services.ServicesResult",
    "snapshot export": "snapshot.ExportResult",
    "snapshot restore": "restore.RestoreResult",
    "status": "status.StatusResult",
    "sync status": "sync.SyncResult",
    "up": "up.UpResult",
}
MEANINGS = {
    0: "done",
    1: "the project is wrong, or something was found (below)",
    2: "the command line is wrong",
    cli.BUG: "a bug in devenv; a report was written, ready to paste into an issue",
    4: "the engine, a registry or a mirror refused, or a container did not become ready",
    cli.INTERRUPTED: "interrupted",
}
KEPT_BACK = {("Step", "after"), ("Step", "unit")}
# Of these the code is that of what they run.
PASSED_ON = ("exec", "run", "shell", "connect")


@dataclasses.dataclass(frozen=True)
class Line:
    """An argument or option, and what it means."""

    name: str
    meaning: str


def page() -> str:
    """`cli.md`."""
    lines = [
        "# The command line",
        "",
        "MADE",
        "",
        "`devenv COMMAND --help` prints the same. Data goes to standard output, talk to standard error; progress is",
        "drawn on a terminal, and plain lines elsewhere. `NO_COLOR` is obeyed. Every command ends with one of the",
        "[exit codes](exit-codes.md).",
        "*JSON* below are the keys of what `--json` prints, in brackets those of what is listed under a key.",
        "",
    ]
    commands = list(completing.commands(arguments.command()))
    lines += ["## Options before the command", "", *_table(_options(commands[0][1]))]
    for path, command in commands[1:]:
        lines += _section(path, command)
    return "\n".join(lines).rstrip() + "\n"


def _section(path: str, command: Any) -> Iterator[str]:
    yield from ("", f"{'#' * (2 + path.count(' '))} `devenv {path}`", "")
    if _is_group(command) and not command.invoke_without_command:
        names = [f"[`{name}`](#devenv-{path}-{name})" for name, one in command.commands.items() if not one.hidden]
        yield f"{_text(command.help)} Its commands: {', '.join(names)}."
        return
    yield from (f"    {_usage(path, command)}", "", _text(command.help))
    rows = [*_positional(command), *_options(command)]
    if rows:
        yield from ("", *_table(rows))
    if command.epilog:
        yield from ("", command.epilog)
    if path in RESULTS:
        yield from ("", f"JSON: {_shape(RESULTS[path])}")


def exit_codes() -> str:
    """`exit-codes.md`."""
    raised: dict[int, list[str]] = {}
    for error in _family(errors.DevenvError):
        raised.setdefault(error.exit_code, []).append(_text(inspect.getdoc(error)).split(". ")[0].rstrip("."))
    found = [(path, one.epilog) for path, one in completing.commands(arguments.command()) if one.epilog]
    lines = ["# Exit codes", "", "MADE", "", "| code | meaning |", "|---|---|"]
    meanings = {code: _lowered(words[0]) for code, words in raised.items()} | MEANINGS
    lines += [f"| {code} | {meanings[code]} |" for code in sorted(meanings)]
    names = [f"`{one}`" for one in PASSED_ON]
    lines.append(f"| any | {', '.join(names[:-1])} and {names[-1]} give back the command's own code |")
    lines += ["", "## Commands that look for something", "", "| command | |", "|---|---|"]
    lines += [f"| [`{path}`](cli.md#devenv-{path.replace(' ', '-')}) | {words} |" for path, words in found]
    lines += ["", "## What leads to a code", ""]
    for code in sorted(raised):
        lines.append(f"- **{code}**: {'; '.join(_lowered(one) for one in dict.fromkeys(raised[code]))}")
    return "\n".join(lines) + "\n"


def _family(error: type[errors.DevenvError]) -> Iterator[type[errors.DevenvError]]:
    yield error
    for one in error.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from _family(one)


def _lowered(text: str) -> str:
    return text if text.startswith("`") else text[0].lower() + text[1:]


def man_page() -> str:
    """`devenv.1`, in the macros of man(7)."""
    whole = arguments.command()
    lines = [
        f'.TH DEVENV 1 "" "devenv {__version__}" "User Commands"',
        ".SH NAME",
        "devenv \\- the same development environment on every machine",
        ".SH SYNOPSIS",
        ".B devenv",
        _roff("[OPTIONS] COMMAND [ARGUMENTS]..."),
        ".SH DESCRIPTION",
        _roff(
            "One file, devenv.toml, describes a development environment: apps, the services they need, tasks "
            "and checks. One command, devenv up, runs it in containers; devenv.lock fixes every byte of it."
        ),
        ".SH OPTIONS",
        *_tagged(_options(whole)),
        ".SH COMMANDS",
    ]
    for path, command in list(completing.commands(whole))[1:]:
        if not _is_group(command) or command.invoke_without_command:
            lines += [f".SS {_roff(_usage(path, command))}", _roff(_plain(_text(command.help)))]
            lines += _tagged([*_positional(command), *_options(command)])
            lines += [".PP", _roff(command.epilog)] if command.epilog else []
    lines += [".SH EXIT STATUS"]
    lines += _tagged(Line(*_plain(one).strip("| ").split(" | ")) for one in exit_codes().splitlines() if _is_code(one))
    lines += [".SH FILES"]
    lines += _tagged(
        [
            Line("devenv.toml", "the environment"),
            Line("devenv.lock", "its bytes"),
            Line("devenv.local.toml", "your own changes to devenv.toml, laid over it"),
            Line(".devenv/", "what belongs to this checkout"),
            Line("~/.config/devenv/config.toml", "what belongs to this machine"),
        ]
    )
    return "\n".join(lines) + "\n"


def _is_code(line: str) -> bool:
    return re.match(r"\| (\d+|any) \|", line) is not None


def _tagged(lines: Iterable[Line]) -> Iterator[str]:
    for one in lines:
        yield from (".TP", f".B {_roff(one.name)}", _roff(_plain(one.meaning)) or "\\&")


def _roff(text: str) -> str:
    """Text that means nothing to roff."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("→", "->")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def _plain(text: str) -> str:
    return text.replace("`", "").replace("\\|", "|")


def _is_group(command: Any) -> bool:
    return hasattr(command, "commands")


def _usage(path: str, command: Any) -> str:
    words = ["devenv", path, "[OPTIONS]", *(one.name for one in _positional(command))]
    return " ".join([*words, "[COMMAND]"] if _is_group(command) else words)


def _positional(command: Any) -> Iterator[Line]:
    for one in command.params:
        if one.param_type_name == "argument":
            name = (one.metavar or "").strip("[]") or f"{one.name.upper()}{'...' if one.nargs == -1 else ''}"
            yield Line(name if one.required else f"[{name}]", _text(one.help))


def _options(command: Any) -> Iterator[Line]:
    for one in command.params:
        if one.param_type_name == "option" and not one.hidden:
            value = "" if one.is_flag else f" {one.metavar or one.opts[0].lstrip('-').upper()}"
            yield Line(", ".join(sorted(one.opts, key=len)) + value, _text(one.help))


def _table(rows: Iterable[Line]) -> Iterator[str]:
    yield from ("| | |", "|---|---|")
    for one in rows:
        # A vertical line ends a cell, also within code.
        yield f"| `{one.name.replace('|', chr(92) + '|')}` | {one.meaning.replace('|', chr(92) + '|')} |"


def _text(words: str | None) -> str:
    """One line of what may be several; of a docstring without its sections."""
    return " ".join((words or "").split("\n\nArgs:")[0].split())


def _shape(where: str) -> str:
    module, name = where.lstrip("!").split(".")
    shape = _of(getattr(import_module(f"devenv.commands.{module}"), name), frozenset())
    return f"a list of {shape}" if where.startswith("!") else shape


def _of(kind: type, above: frozenset[type]) -> str:
    """The keys of a result, each with those below it in brackets."""
    words = []
    for one in dataclasses.fields(kind):
        if (kind.__name__, one.name) in KEPT_BACK:
            continue
        below = [found for found in _classes(kind, one) if found not in above]
        inner = f" ({_of(below[0], above | {kind})})" if below else ""
        words.append(f"`{one.name}`{inner}")
    return ", ".join(words)


def _classes(kind: type, field: Any) -> list[type]:
    """The dataclasses that a field's type names; what it names may be imported for type checkers alone."""
    names = re.findall(r"\w+", field.type if isinstance(field.type, str) else str(field.type))
    scope = vars(sys.modules[kind.__module__])
    found = [scope[name] for name in names if name in scope]
    return [one for one in found if inspect.isclass(one) and dataclasses.is_dataclass(typing.cast(Any, one))]
