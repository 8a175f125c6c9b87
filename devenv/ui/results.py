"""Renders what commands return, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.ui import screen, tables

if TYPE_CHECKING:
    from devenv.commands.diff import ContrastResult, DiffResult
    from devenv.commands.doctor import DoctorResult
    from devenv.commands.down import DownResult
    from devenv.commands.lock import LockResult
    from devenv.commands.logs import LogLine
    from devenv.commands.pull import PullResult
    from devenv.commands.push import PushResult
    from devenv.commands.reset import ResetResult
    from devenv.commands.status import StatusResult
    from devenv.commands.sync import SyncResult
    from devenv.commands.up import UpResult
    from devenv.commands.verify import VerifyResult
    from devenv.ui.screen import Colour
    from devenv.workspace import Scaled

_UNIT_COLOURS: tuple[Colour, ...] = ("cyan", "yellow", "green", "magenta", "blue")


def up(result: UpResult, *, dry_run: bool, as_json: bool) -> None:
    """What `up` did: the steps were drawn as they happened, so only a summary and the addresses."""
    from devenv.ui import progress

    if as_json:
        data = asdict(result) | {"steps": [progress.step_data(step) for step in result.steps]}
        screen.give(json.dumps(data, indent=2))
        return
    if dry_run:
        screen.give(progress.plan_text(result.steps) or "nothing to do")
        return
    if result.locked:
        screen.say(f"{screen.paint('✓', 'green')} wrote devenv.lock; commit it")
    done = ", nothing to do" if all(step.verb == "wait" for step in result.steps) else ""
    screen.say(f"{screen.paint('✓', 'green')} {result.instance} is up{done}: environment {result.environment}")
    _scaled(result.scaled)
    if result.addresses:
        screen.give(tables.addresses(result.addresses))


def _scaled(scaled: Iterable[Scaled]) -> None:
    if scaled:
        from devenv.ui import replicas

        for line in replicas.remarks(scaled):
            screen.say(line)


def down(result: DownResult, *, as_json: bool) -> None:
    """What `down` removed."""
    from devenv.ui import progress

    if as_json:
        data = asdict(result) | {"steps": [progress.step_data(step) for step in result.steps]}
        screen.give(json.dumps(data, indent=2))
        return
    if not result.steps:
        screen.say(f"{result.instance} is not up")
    if result.volumes_kept:
        screen.say(f"kept the data: {', '.join(result.volumes_kept)} (`--volumes` removes it)")


def reset(result: ResetResult) -> None:
    """Which services begin anew."""
    names = ", ".join(f"`{name}`" for name in result.services)
    if result.is_up:
        screen.say(f"{screen.paint('✓', 'green')} {names} began anew")
    else:
        screen.say(f"removed the data of {names}" if result.steps else f"there is no data of {names}")


def status(result: StatusResult, *, as_json: bool) -> None:
    """The table of containers, and below it what they are together."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    if not result.rows:
        screen.say(f"{result.instance} is not up")
    else:
        screen.give(tables.status(result))
    if result.environment:
        runs = all(row.current for row in result.rows)
        screen.give(f"\nenvironment {result.environment}{'' if runs else '  (not what runs now: see `devenv diff`)'}")
    _scaled(result.scaled)
    if result.sync:
        words = f"sync: {screen.safe(result.sync)}"
        screen.give(words if result.in_step else screen.paint(words, "yellow", "stdout"))
    if result.note:
        screen.say(f"{screen.paint('warning:', 'yellow')} {result.note}")


def sync(result: SyncResult, *, as_json: bool) -> None:
    """How each folder is, what differs, and why."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    screen.give(tables.sync(result))


def lock(result: LockResult, *, outdated: bool, as_json: bool) -> None:
    """What moved, or with `outdated` would."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    if result.moves:
        screen.give(tables.moves(result))
    if outdated:
        screen.say("run `devenv lock --upgrade` to move them" if result.moves else f"{_tick()} nothing is outdated")
        return
    if result.merged:
        screen.say(f"{_tick()} put both sides of the merge together; now `git add devenv.lock`")
    held = f"{result.packages} packages" + (f", {result.images} images of registries" if result.images else "")
    said = "wrote devenv.lock" if result.written else "devenv.lock is complete"
    screen.say(f"{_tick()} {said}: {held}; environment {result.environment}")


def diff(result: DiffResult, *, as_json: bool) -> None:
    """Each difference with its explanation."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    if result.differences:
        screen.give(tables.differences(result.differences))
        return
    screen.say(f"{_tick()} {result.instance} is as asked for: environment {result.environment}")


def contrast(result: ContrastResult, *, as_json: bool) -> None:
    """What two machines do not have in common."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    if result.contrasts:
        screen.give(tables.contrasts(result))
    same = result.environment == result.other
    told = f"equal environments: {result.environment}" if same else f"{result.environment} here, {result.other} there"
    screen.say(f"{_tick() if same else screen.paint('✗', 'red')} {told}")


def verify(result: VerifyResult, *, as_json: bool) -> None:
    """Whether each image is what its pin says, and where not."""
    if as_json:
        data = [asdict(one) | {"holds": one.holds} for one in result.verdicts]
        screen.give(json.dumps({"holds": result.holds, "images": data}, indent=2))
        return
    for one in result.verdicts:
        mark = screen.paint("✓", "green", "stdout") if one.holds else screen.paint("✗", "red", "stdout")
        sure = f"built from what is locked; not locked: {one.unproven}" if one.unproven else "the same to the byte"
        words = screen.safe(sure) if one.holds else "not what its pin says"
        screen.give(f"{mark} {one.image}  {words}  {one.digest}")
        for line in tables.verdict(one):
            screen.give(f"    {screen.safe(line)}")


def push(result: PushResult, *, as_json: bool) -> None:
    """Where each image is now."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    for one in result.images:
        screen.give(f"{one.name}{'' if one.new else '  (was there)'}")
    if not result.images:
        screen.say("this project builds no image that comes out the same everywhere, so there is nothing to push")


def pull(result: PullResult, *, as_json: bool) -> None:
    """What came, and what is left to build."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    screen.say(f"{_tick()} pulled {len(result.pulled)}, had {len(result.present)}")
    for one in result.missing:
        screen.say(f"{screen.paint('!', 'yellow')} `devenv up` builds {one}: no registry has it")


def _tick() -> str:
    return screen.paint("✓", "green")


_MARKS: Mapping[str, tuple[str, Colour]] = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}


def doctor(result: DoctorResult, *, as_json: bool) -> None:
    """Each finding in a line, with its remedy below."""
    if as_json:
        screen.give(json.dumps(asdict(result) | {"healthy": result.healthy}, indent=2))
        return
    for finding in result.findings:
        mark, colour = _MARKS[finding.state]
        screen.give(f"{screen.paint(mark, colour, 'stdout')} {finding.message}")
        if finding.remedy:
            remedy = finding.remedy.replace("\n", "\n    ")
            screen.give(f"    {screen.paint('→', 'cyan', 'stdout')} {remedy}")
    if not result.healthy and any(finding.fixable for finding in result.findings):
        screen.say("run `devenv doctor --fix` to repair what can be repaired")


def lines(found: Iterable[LogLine]) -> None:
    """Log lines, each with its unit in a colour of its own."""
    colours: dict[str, Colour] = {}
    for line in found:
        colour = colours.setdefault(line.unit, _UNIT_COLOURS[len(colours) % len(_UNIT_COLOURS)])
        screen.give(f"{screen.paint(f'{line.unit:<10}', colour, 'stdout')} | {screen.log_text(line.text)}")
