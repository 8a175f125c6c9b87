"""Waits until a container serves, and tells why when it does not."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress

from devenv.config import size
from devenv.engine import apply, logs, probes
from devenv.engine.protocol import ContainerState, Engine
from devenv.errors import Conflict, DevenvError, NotFound, NotReady
from devenv.model.blueprint import Container, Probe

INTERVAL = 0.025
LOOK_INTERVAL = 0.1
"""A container that ended is noticed this late: asking with every probe would cost the engine more than it tells."""

SETUP_DONE = "devenv: setup done"
SETUP_FAILED = "devenv: setup failed"

_TOLD_LINES = 10
_SETUP_LINES = 500
_BEFORE = 2.0
"""Seconds that a container may have run before somebody began to wait for it."""


def wait(
    engine: Engine,
    name: str,
    container: Container,
    *,
    off: threading.Event | None = None,
    heard: Callable[[str], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the container's setup is done and every probe has passed.

    Args:
        off: Set by another thread when nobody waits any more.
        heard: Takes the lines of the setup as they come.

    Raises:
        NotReady: It ended, its setup failed, or it was not ready in `container.readiness.timeout` seconds after
            the setup.
        CalledOff: `off` was set.
    """
    state = _look(engine, name, container)
    if not state.running:
        raise _ended(engine, name, container, state)
    if container.setup:
        _await_setup(engine, name, container, state, off, heard)
    needs_log = any(probe.log is not None for probe in container.readiness.probes)
    tail = logs.Tail(engine, name, _since(state)) if needs_log else None
    try:
        _Waiting(engine, name, container, off or threading.Event(), clock, sleep).all(tail)
    finally:
        if tail is not None:
            tail.close()


def setup_failed(engine: Engine, name: str) -> bool:
    """Whether the container's last setup failed; it idles then."""
    written = logs.last(engine, name, _TOLD_LINES, _since(engine.look(name)))
    return any(line.startswith(SETUP_FAILED) for line in written)


class _Waiting:
    """One wait for all probes of a container, on one clock."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        container: Container,
        off: threading.Event,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._engine, self._name, self._container = engine, name, container
        self._off, self._clock, self._sleep = off, clock, sleep
        self._deadline = clock() + container.readiness.timeout
        self._next_look = clock() + LOOK_INTERVAL

    def all(self, tail: logs.Tail | None) -> None:
        """Pass the probes one after the other, cheapest first."""
        for probe in sorted(self._container.readiness.probes, key=_cost):
            self._one(probes.check(self._engine, self._name, self._container, probe, tail))

    def _one(self, check: probes.Check) -> None:
        while True:
            begun = self._clock()
            try:
                wrong = check()
            except (Conflict, NotFound):
                wrong = "it does not run"
            if wrong is None:
                return
            self._go_on(wrong)
            # A dear probe (a command inside costs 50 ms of the engine) gets as long a pause as it took.
            self._sleep(max(INTERVAL, self._clock() - begun))

    def _go_on(self, wrong: str) -> None:
        """Raise when there is nothing more to wait for."""
        if self._off.is_set():
            raise apply.CalledOff
        now = self._clock()
        if now >= self._next_look or now >= self._deadline:
            self._next_look = now + LOOK_INTERVAL
            state = _look(self._engine, self._name, self._container)
            if not state.running:
                raise _ended(self._engine, self._name, self._container, state)
        if now >= self._deadline:
            raise _late(self._engine, self._name, self._container, wrong)


def _cost(probe: Probe) -> int:
    costs = (probe.tcp is not None, probe.http is not None, probe.log is not None, probe.exec is not None)
    return costs.index(True)


def _since(state: ContainerState) -> float | None:
    return state.log_start or None


def _await_setup(
    engine: Engine,
    name: str,
    container: Container,
    state: ContainerState,
    off: threading.Event | None,
    heard: Callable[[str], None] | None,
) -> None:
    """Follow the log until the start script says that the setup is over; a setup may take as long as it likes."""
    told: deque[str] = deque(maxlen=_SETUP_LINES)
    begun = time.monotonic()
    with closing(logs.Tail(engine, name, _since(state))) as tail:
        while not tail.ended:
            if off is not None and off.is_set():
                raise apply.CalledOff
            line = tail.take(INTERVAL)
            if line is None:
                continue
            if line == SETUP_DONE:
                return
            told.append(line)
            if heard is not None:
                heard(line)
            if line.startswith(SETUP_FAILED):
                raise _setup_error(container, told, starved=_starved(engine, name, container, time.monotonic() - begun))
    raise _ended(engine, name, container, _look(engine, name, container))


def _look(engine: Engine, name: str, container: Container) -> ContainerState:
    try:
        return engine.look(name)
    except NotFound as error:
        raise NotReady(f"container `{name}` is gone before it was ready", hint=_hint(container)) from error


def _ended(engine: Engine, name: str, container: Container, state: ContainerState) -> NotReady:
    if state.exit_code is None:
        return NotReady(f"container `{name}` does not run", hint=_hint(container))
    if state.oom_killed:
        message = f"container `{name}` ran out of memory{_limit(container)}"
        return NotReady(message + _lines(engine, name, state), hint=_more(container))
    message = f"container `{name}` exited with code {state.exit_code} before it was ready"
    return NotReady(message + _lines(engine, name, state), hint=_hint(container))


def _late(engine: Engine, name: str, container: Container, wrong: str) -> NotReady:
    message = f"container `{name}` was not ready after {container.readiness.timeout:g} seconds: {wrong}"
    hint = _hint(container)
    if _starved(engine, name, container, container.readiness.timeout):
        message += f"; a process in it was ended, for it ran out of memory{_limit(container)}"
        return NotReady(message + _lines(engine, name, engine.look(name)), hint=_more(container))
    if wrong.startswith("nothing accepts") or wrong.endswith("does not answer"):
        hint += "; is it listening on 0.0.0.0, not only on 127.0.0.1?"
    return NotReady(message + _lines(engine, name, engine.look(name)), hint=hint)


def _starved(engine: Engine, name: str, container: Container, seconds: float) -> bool:
    """Whether something in a container that was waited for so long was ended for lack of memory, if that is limited."""
    with suppress(DevenvError):
        return container.limits.memory is not None and engine.ran_out_of_memory(name, seconds + _BEFORE)
    return False


def _limit(container: Container) -> str:
    memory = container.limits.memory
    return f" at its limit of {size.text(memory)}" if memory is not None else ""


def _more(container: Container) -> str:
    return f"give it more with `limits.memory` of `{container.unit}`"


def _setup_error(container: Container, told: deque[str], *, starved: bool) -> NotReady:
    if starved:
        message = f"the setup of `{container.unit}` ran out of memory{_limit(container)}:\n{_indented(tuple(told))}"
        return NotReady(message, hint=f"{_more(container)} and run `devenv up` again")
    return NotReady(
        f"the setup of `{container.unit}` failed:\n{_indented(tuple(told))}",
        hint=f"fix it and run `devenv up` again; `devenv shell {container.unit}` opens a shell",
    )


def _lines(engine: Engine, name: str, state: ContainerState) -> str:
    written = logs.last(engine, name, _TOLD_LINES, _since(state))
    return f"; its last lines:\n{_indented(written)}" if written else "; it wrote nothing"


def _indented(written: tuple[str, ...]) -> str:
    return "\n".join(f"  {line}" for line in written)


def _hint(container: Container) -> str:
    return f"`devenv logs {container.unit}` shows all it wrote"
