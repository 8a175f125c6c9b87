"""Brings Docker Engine onto a Debian or Ubuntu machine and starts it; elsewhere knows the command that does."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from devenv.engine.host import Done, Host
from devenv.errors import DevenvError, EngineError, EngineForbidden
from devenv.values import dataclass

START_TIMEOUT = 60.0

Say = Callable[[str], None]
"""Hears each command before it is run."""

_SYSTEMD = Path("/run/systemd/system")
_INIT_SCRIPT = Path("/etc/init.d/docker")
_APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
_LOG = Path("/var/log/dockerd.log")
_INIT_LOG = Path("/var/log/docker.log")

# Containers inherit the daemon's limit of open files. The last line tells the process's id.
_BY_HAND = """\
cd / && { ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -H -n)"; }
setsid dockerd >>"$0" 2>&1 </dev/null &
echo $!"""

_INTERVAL = 0.2
_LOG_LINES = 15

_ELSEWHERE = {
    "fedora": "sudo dnf install -y moby-engine && sudo systemctl enable --now docker",
    "rhel": "sudo dnf install -y podman && sudo systemctl enable --now podman.socket",
    "arch": "sudo pacman -S --noconfirm docker && sudo systemctl enable --now docker",
    "alpine": "sudo apk add docker && sudo rc-update add docker && sudo service docker start",
    "suse": "sudo zypper install -y docker && sudo systemctl enable --now docker",
    "opensuse": "sudo zypper install -y docker && sudo systemctl enable --now docker",
}
_MAC = "brew install colima docker && colima start"


@dataclass(frozen=True, slots=True)
class Remedy:
    """How this machine gets a running engine.

    Args:
        text: What to do, as one line.
        fixable: Whether `devenv doctor --fix` does it.
    """

    text: str
    fixable: bool


def remedy(host: Host) -> Remedy:
    """How an engine that is missing or stopped is brought up here."""
    if host.system == "Darwin":
        return Remedy(f"`{_MAC}`, or start Docker Desktop, OrbStack or Colima if you have it", fixable=False)
    if host.system != "Linux":
        return Remedy("install Docker Desktop and start it", fixable=False)
    present = host.has("dockerd")
    if present or _has_apt(host):
        deed = "starts Docker Engine" if present else "installs Docker Engine and starts it"
        if _may(host):
            return Remedy(f"`devenv doctor --fix` {deed}", fixable=True)
        return Remedy(f"`devenv doctor --fix`, run as root, {deed}", fixable=False)
    for name in host.distributions:
        if name in _ELSEWHERE:
            return Remedy(f"`{_ELSEWHERE[name]}`", fixable=False)
    return Remedy("install Docker Engine 20.10 or newer, or Podman 4, with your system's packages", fixable=False)


def bring_up(host: Host, knock: Callable[[], object], say: Say) -> None:
    """Install Docker Engine where there is no daemon, start it, and wait until it answers.

    Args:
        knock: Raises a `DevenvError` as long as nothing answers.

    Raises:
        EngineError: It cannot be installed or does not start; with the last lines it logged.
    """
    if not host.has("dockerd"):
        _install(host, say)
    if host.exists(_SYSTEMD):
        _must(host, ("systemctl", "enable", "--now", "docker"), say)
        _await(host, knock, log=lambda: _output(host, ("journalctl", "-u", "docker", "-n", str(_LOG_LINES))))
    elif (
        host.exists(_INIT_SCRIPT) and host.has("service") and _run(host, ("service", "docker", "start"), say).code == 0
    ):
        _await(host, knock, log=lambda: _tail(host, _INIT_LOG))
    else:
        _by_hand(host, knock, say)


def admit(host: Host, say: Say) -> None:
    """Let this user use the machine's Docker Engine from the next login on.

    Raises:
        EngineError: The user cannot be added to the group.
    """
    _must(host, ("usermod", "-aG", "docker", host.user), say)


def _install(host: Host, say: Say) -> None:
    packages = ["docker.io", "iptables", "ca-certificates"]
    # Where the kernel has AppArmor on, the engine cannot start a container without its parser.
    if (host.read(_APPARMOR) or "").startswith("Y"):
        packages.append("apparmor")
    # One broken third-party source fails an update, and need not keep Docker from being installed.
    _run(host, ("apt-get", "update"), say)
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120")
    _must(host, (*quiet, "install", "-y", "--no-install-recommends", *packages), say)


def _by_hand(host: Host, knock: Callable[[], object], say: Say) -> None:
    say(f"starting `dockerd` in its own session; it logs to {_LOG}")
    done = host.run((*_sudo(host), "sh", "-c", _BY_HAND, str(_LOG)))
    if done.code != 0:
        raise EngineError("`dockerd` cannot be started", hint=done.output.strip() or None)
    process = Path("/proc") / done.output.split()[-1]
    _await(host, knock, log=lambda: _tail(host, _LOG), alive=lambda: host.exists(process))


def _await(
    host: Host, knock: Callable[[], object], log: Callable[[], str], alive: Callable[[], bool] = lambda: True
) -> None:
    """Wait until it answers; one that forbids this user answers too."""
    for _ in range(round(START_TIMEOUT / _INTERVAL)):
        try:
            knock()
        except EngineForbidden:
            return
        except DevenvError:
            if not alive():
                raise EngineError("`dockerd` ended at once", hint=f"it logged last:\n{log()}") from None
            host.pause(_INTERVAL)
        else:
            return
    message = f"Docker Engine was started and does not answer after {START_TIMEOUT:.0f} s"
    raise EngineError(message, hint=f"it logged last:\n{log()}")


def _must(host: Host, command: Sequence[str], say: Say) -> None:
    done = _run(host, command, say)
    if done.code != 0:
        tail = "\n".join(done.output.splitlines()[-_LOG_LINES:])
        raise EngineError(f"`{shlex.join(command)}` failed with exit code {done.code}", hint=tail or None)


def _run(host: Host, command: Sequence[str], say: Say) -> Done:
    whole = (*_sudo(host), *command)
    say(shlex.join(whole))
    return host.run(whole)


def _output(host: Host, command: Sequence[str]) -> str:
    return host.run((*_sudo(host), *command)).output.strip()


def _tail(host: Host, log: Path) -> str:
    return _output(host, ("tail", "-n", str(_LOG_LINES), str(log)))


def _sudo(host: Host) -> tuple[str, ...]:
    return () if host.root else ("sudo",)


def _may(host: Host) -> bool:
    return host.root or host.has("sudo")


def _has_apt(host: Host) -> bool:
    return host.has("apt-get") and not {"debian", "ubuntu"}.isdisjoint(host.distributions)
