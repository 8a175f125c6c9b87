"""The stages before anything is started: the files, the machine, people's consent and their secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from devenv import config, workspace
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
    hint = f"`devenv -C {folder} init` writes one; then `devenv -C {folder} onboard` goes on"
    if inside:
        hint = (
            f"there is one in {findings.listed(inside, 'and')}: `devenv -C {folder / inside[0]} onboard` goes on there"
        )
    raise DevenvError(f"`{address.text}` has no `{config.NAME}`", hint=hint)


# --- what has to be right before anything is started ---


def machine(arrival: Arrival) -> Outcome:
    """Have an engine and what else devenv needs of this machine."""
    found = arrival.means.examine(False)
    repaired = bool(_wrong(found)) and _may_repair(arrival, found)
    if repaired:
        found = arrival.means.examine(True)
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
    yield from _unconsented(arrival)
    yield from _missing(arrival)


def consent(arrival: Arrival) -> Outcome:
    """Have the consent to whatever the project asks for outside of itself."""
    project, means = arrival.project, arrival.means
    asked = means.unconsented(project)
    if not asked:
        return Outcome("none", "nothing to consent to")
    if means.ask is None and not arrival.request.consents:
        raise _together(*_unanswered(arrival))
    means.show(asked)
    if not arrival.request.consents and not (means.ask is not None and means.ask("Let it have that?")):
        raise DevenvError(
            "the project may not have what it asks for, so it is not started",
            hint="`devenv trust` shows it again; take out of `devenv.toml` what you do not want",
        )
    means.consent(project)
    return Outcome("done", f"to {len(asked)} thing{'s' if len(asked) > 1 else ''} that the project asks for")


def _unconsented(arrival: Arrival) -> Iterator[DevenvError]:
    for one in () if arrival.request.consents else arrival.means.unconsented(arrival.project):
        yield DevenvError(
            f"the project asks for {one.text}",
            hint="`devenv trust` shows it; `devenv onboard --trust` lets it have that",
        )


def secrets(arrival: Arrival) -> Outcome:
    """Have a value for each secret that people have to bring."""
    means, missing = arrival.means, arrival.means.missing(arrival.project)
    if not missing:
        return Outcome("none", "none is missing")
    if means.enter is None:
        raise _together(*_missing(arrival))
    for one in missing:
        means.keep(arrival.project, one.name, means.enter(one))
    return Outcome("done", ", ".join(one.name for one in missing))


def _missing(arrival: Arrival) -> Iterator[DevenvError]:
    for one in arrival.means.missing(arrival.project):
        what = f" ({one.description})" if one.description else ""
        yield DevenvError(
            f"secret `{one.name}`{what} has no value", hint=f"`devenv secrets set {one.name}` asks for it"
        )
