"""The control socket of a background process: one JSON object a line, each way."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from devenv.errors import DevenvError
from devenv.live import news, place
from devenv.live.news import Followers, News

LONGEST = 1 << 16
"""Bytes of a question; whoever sends more is no devenv."""

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]

log = logging.getLogger(__name__)


class Server:
    """Answers questions; each caller has a thread of its own.

    Args:
        path: Where to listen; what is left there of a dead process is removed.
        answer: Called from several threads; `DevenvError` is told to the caller.
    """

    def __init__(self, path: Path, answer: Answer, followers: Followers) -> None:
        self._path = path
        self._answer = answer
        self._followers = followers
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(64)
        threading.Thread(target=self._accept, name="devenv-control", daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._path.unlink(missing_ok=True)
        # Closing alone does not wake who waits in `accept`.
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # not every system lets a listening socket be shut down
            log.debug("the control socket was closed without shutting it down")
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), name="devenv-caller", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, caller.makefile("rwb") as stream:
            try:
                while (line := stream.readline(LONGEST)) and self._respond(line, stream):
                    stream.flush()
            except (OSError, ValueError):  # the caller has gone
                return

    def _respond(self, line: bytes, stream: BufferedRWPair) -> bool:
        """Answer; whether another question may follow."""
        try:
            asked = json.loads(line)
            follows = asked["do"] == "follow"
        except (ValueError, KeyError, TypeError):
            stream.write(_line({"error": "no question"}))
            return True
        if follows:
            for one in self._followers.listen():
                stream.write(_line(news.data(one)))
                stream.flush()
            return False
        stream.write(_line(self._answered(asked)))
        return True

    def _answered(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._answer(asked)
        except DevenvError as error:
            return {"error": error.message}
        except Exception:
            log.exception("a question could not be answered")
            return {"error": "this is a bug in devenv; `devenv sync log` tells more"}


def ask(path: Path, question: Mapping[str, Any], *, seconds: float) -> Mapping[str, Any]:
    """Ask a process; return what it answers.

    Raises:
        DevenvError: It does not answer, or refuses.
    """
    try:
        with _connected(path, seconds) as stream, stream.makefile("rwb") as lines:
            lines.write(_line(question))
            lines.flush()
            line = lines.readline()
    except OSError as error:
        raise _silent(error) from error
    return _parsed(line)


def follow(path: Path) -> Iterator[News]:
    """Hear what a process tells, until it ends.

    Raises:
        DevenvError: It does not answer.
    """
    try:
        with _connected(path, None) as stream, stream.makefile("rwb") as lines:
            lines.write(_line({"do": "follow"}))
            lines.flush()
            for line in lines:
                yield news.parsed(_parsed(line))
    except OSError as error:
        raise _silent(error) from error


def _connected(path: Path, seconds: float | None) -> socket.socket:
    if not place.is_own(path.parent):
        raise DevenvError(f"the folder `{path.parent}` is open to others", hint=f"`chmod 700 {path.parent}`")
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(seconds)
    try:
        stream.connect(str(path))
    except BaseException:
        stream.close()
        raise
    return stream


def _silent(error: OSError) -> DevenvError:
    reason = error.strerror or str(error) or type(error).__name__
    return DevenvError(f"the background process does not answer: {reason}", hint="`devenv sync log` may tell why")


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise DevenvError("the background process ended while it was asked") from error
    if not isinstance(told, dict) or "error" in told:
        raise DevenvError(f"the background process refuses: {told['error'] if isinstance(told, dict) else told}")
    return told


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"
