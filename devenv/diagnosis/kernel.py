"""What the kernel lets a user watch: Linux counts the folders that programs hear changes of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from devenv.diagnosis import Finding
from devenv.engine.host import Host
from devenv.engine.install import Say
from devenv.errors import EngineError

LIMITS = Path("/proc/sys/fs/inotify")
SETTINGS = "/etc/sysctl.d/60-devenv-inotify.conf"
WATCHES = 524288
"""What `--fix` sets; the kernel takes memory only for those that are used."""
INSTANCES = 512
FEW_WATCHES = 65536
FEW_INSTANCES = 128
_MOST_FOLDERS = 50_000
_SHARE = 4
"""So many times a project's folders there ought to be: editors and servers watch, too."""


def findings(host: Host, folder: Path | None) -> Iterator[Finding]:
    """Whether there are enough watches.

    Args:
        folder: The project's.
    """
    watches, instances = _number(host, "max_user_watches"), _number(host, "max_user_instances")
    if watches is None or instances is None:
        return
    needed = FEW_WATCHES
    if folder is not None:
        needed = max(needed, host.folders(folder, _MOST_FOLDERS) * _SHARE)
    words = f"{watches} folders can be watched for changes (inotify), by {instances} programs"
    if watches >= needed and instances >= FEW_INSTANCES:
        yield Finding("inotify", "ok", words)
        return
    wanted = f"{needed} folders and {FEW_INSTANCES} programs are wanted"
    does = host.root or host.has("sudo")
    by = "" if host.root else ", by sudo"
    remedy = f"`devenv doctor --fix` sets more in {SETTINGS}{by}" if does else f"as root, {_settings()!r} in {SETTINGS}"
    yield Finding("inotify", "warning", f"{words}; {wanted}", remedy, fixable=does)


def _number(host: Host, name: str) -> int | None:
    text = (host.read(LIMITS / name) or "").strip()
    return int(text) if text.isdigit() else None


def _settings() -> str:
    return f"fs.inotify.max_user_watches={WATCHES}\nfs.inotify.max_user_instances={INSTANCES}\n"


def repair(host: Host, say: Say) -> None:
    """Raise the limits, now and after the next start of the machine.

    Raises:
        EngineError: It is refused.
    """
    script = f"printf '{_settings()}' >{SETTINGS} && sysctl -q -p {SETTINGS}".replace("\n", "\\n")
    command = (*(() if host.root else ("sudo",)), "sh", "-c", script)
    say(" ".join(command[:-1]) + f" {script!r}")
    done = host.run(command)
    if done.code != 0:
        raise EngineError(f"the limits of inotify could not be raised: {done.output.strip()}", hint="do it as root")
