"""The stages before anything is started: the files, the machine, people's consent and their secrets."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from devenv import config, trust, vault, workspace
from devenv.config import findings
from devenv.engine import lock as locks
from devenv.errors import DevenvError, EngineError, Problems
from devenv.onboarding import repositories
from devenv.onboarding.arrival import Arrival, Finding, Outcome
from devenv.telling import Remark

PATIENCE = 1800.0
"""Seconds to wait for another one that clones into the same folder."""


def clone(arrival: Arrival) -> Outcome:
    """Have the project's files, and read them."""
    request = arrival.request
    if request.url is None:
        arrival.folder = config.find(request.start)
        outcome = Outcome("already", f"the project in {arrival.folder}")
    else:
        outcome = _cloned(arrival, repositories.parse(request.url, request.start))
    assert arrival.folder is not None
    arrival.project = workspace.load(arrival.folder, request.machine, profile=request.profile)
    return outcome


def _cloned(arrival: Arrival, address: repositories.Address) -> Outcome:
    request = arrival.request
    found = None if request.folder else repositories.around(request.start, address)
    folder = found or repositories.destination(address, request.start, request.folder)

    def waits(holder: object) -> None:
        arrival.tell(Remark(f"waiting for {holder}"))

    with locks.hold(request.machine, "clone", str(folder), patience=PATIENCE, tell=waits, command="devenv onboard"):
        is_there = found is not None or repositories.is_of(folder, address)
        if not is_there:
            repositories.clone(address, folder, arrival.tell, asks=arrival.means.ask is not None)
    arrival.folder = folder
    _check_project(folder, address)
    if not is_there and repositories.has_submodules(folder):
        arrival.tell(Remark("the repository has submodules, which were not fetched: `git submodule update --init`"))
    if is_there:
        return Outcome("already", f"{folder} is a clone of {address.text}")
    return Outcome("done", f"{address.text} into {folder}")


def _check_project(folder: Path, address: repositories.Address) -> None:
    """Refuse a repository that is no project itself: what lies above the clone is none of its business."""
    if (folder / config.NAME).is_file():
        return
    inside = sorted(one.parent.relative_to(folder).as_posix() for one in folder.glob(f"*/{config.NAME}"))
    there = shlex.quote(str(folder))
    hint = f"`devenv -C {there} init` writes one; then `devenv -C {there} onboard` goes on"
    if inside:
        first = shlex.quote(str(folder / inside[0]))
        hint = f"there is one in {findings.listed(inside, 'and')}: `devenv -C {first} onboard` goes on there"
    raise DevenvError(f"`{address.text}` has no `{config.NAME}`", hint=hint)


# --- what has to be right before anything is started ---


def machine(arrival: Arrival) -> Outcome:
    """Have an engine and what else devenv needs of this machine."""
    found = arrival.means.examine(arrival.project, False)
    repaired = bool(_wrong(found)) and _may_repair(arrival, found)
    if repaired:
        found = arrival.means.examine(arrival.project, True)
    if wrong := [_of(one) for one in _wrong(found)]:
        raise _together(*wrong, *(_unanswered(arrival) if arrival.means.ask is None else ()))
    arrival.engine = arrival.means.connect()
    info = arrival.engine.info
    warned = sum(one.state == "warning" for one in found)
    more = f"; `devenv doctor` has {warned} warning{'s' if warned > 1 else ''}" if warned else ""
    return Outcome("done" if repaired else "already", f"{info.name} {info.version}{more}")


def _wrong(found: Sequence[Finding]) -> list[Finding]:
    return [one for one in found if one.state == "problem"]


def _may_repair(arrival: Arrival, found: Sequence[Finding]) -> bool:
    fixable = [one for one in _wrong(found) if one.fixable]
    if not fixable or arrival.request.repairs or arrival.means.ask is None:
        return bool(fixable) and arrival.request.repairs
    told = "\n".join(f"{one.message}\n  {one.remedy}" for one in fixable)
    return arrival.means.ask(f"{told}\nDo that?")


def _of(finding: Finding) -> DevenvError:
    hint = finding.remedy
    if hint is not None and finding.fixable:
        hint += "; or `devenv onboard --yes` does it"
    return EngineError(finding.message, hint=hint)


def _together(*problems: DevenvError) -> DevenvError:
    return problems[0] if len(problems) == 1 else Problems(problems)


def _unanswered(arrival: Arrival) -> Iterator[DevenvError]:
    """Everything that people would be asked, where nobody is there to answer."""
    asks = () if arrival.request.consents else _unconsented(arrival)
    if asks:
        yield trust.Unconsented(arrival.project, asks)
    yield from _missing(arrival)


def consent(arrival: Arrival) -> Outcome:
    """Have the consent to whatever the project asks for beyond its own containers."""
    project, asks = arrival.project, trust.unconsented(arrival.project)
    if arrival.request.consents and asks:
        arrival.means.show(project)
    elif _unconsented(arrival):
        _ask(arrival)
    else:
        asks = ()
    if asks:
        trust.consent(project, asks)
    trust.require(project)
    if asks:
        return Outcome("done", f"to {len(asks)} thing{'s' if len(asks) > 1 else ''} that the project asks for")
    if project.project.reaches:
        return Outcome("already", "given before")
    return Outcome("none", "nothing to consent to")


def _unconsented(arrival: Arrival) -> tuple[trust.Ask, ...]:
    """What it is not started without; a secret of this machine that it may not read is only asked for."""
    return tuple(one for one in trust.unconsented(arrival.project) if one.kind != "secret")


def _ask(arrival: Arrival) -> None:
    if arrival.means.ask is None:
        raise _together(*_unanswered(arrival))
    arrival.means.show(arrival.project)
    if not arrival.means.ask("Allow this?"):
        raise trust.Refused(arrival.project)


def secrets(arrival: Arrival) -> Outcome:
    """Have a value for each secret that people have to bring."""
    project, means = arrival.project, arrival.means
    if not project.project.secrets:
        return Outcome("none", "it asks for none")
    missing = vault.missing(project)
    if missing and means.enter is not None:
        means.enter(project)
    vault.collect(project)
    if missing:
        return Outcome("done", ", ".join(one.name for one in missing))
    return Outcome("already", "each has a value")


def _missing(arrival: Arrival) -> Iterator[DevenvError]:
    try:
        vault.collect(arrival.project)
    except Problems as found:
        yield from found.problems
