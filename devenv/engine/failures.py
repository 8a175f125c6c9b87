"""What the SDK and the libraries under it raise, as our errors: one table, without importing any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from devenv.engine import wire
from devenv.errors import EngineError, EngineUnreachable

Make = Callable[[str, BaseException], EngineError]


def ours(address: str, error: BaseException) -> EngineError | None:
    """Return our error for a foreign one, by its nearest class in the table; None for what is no engine's failure."""
    for kind in type(error).__mro__:
        make = TABLE.get(f"{kind.__module__}.{kind.__qualname__}")
        if make is not None:
            return make(address, error)
    return None


def _refused(_address: str, error: BaseException) -> EngineError:
    response = getattr(error, "response", None)
    words = getattr(error, "explanation", None) or str(error)
    return wire.refused(getattr(response, "status_code", None), str(words))


def _gone(address: str, error: BaseException) -> EngineError:
    """Tell it by the operating system's error at the bottom, which says more than what is wrapped around it."""
    innermost = [nested for nested in _chain(error) if type(nested).__module__ == "builtins"]
    return wire.unreachable(address, innermost[-1] if innermost else error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        nested = waiting.pop(0)
        if isinstance(nested, BaseException) and id(nested) not in seen:
            seen.add(id(nested))
            yield nested
            waiting += [*nested.args, nested.__cause__, nested.__context__, getattr(nested, "reason", None)]


def _sdk(address: str, error: BaseException) -> EngineError:
    """The SDK's own class for everything else: an engine that does not answer, or a setting it does not accept."""
    if any(isinstance(nested, OSError) for nested in _chain(error)):
        return _gone(address, error)
    return _said(address, error)


def _said(_address: str, error: BaseException) -> EngineError:
    return EngineError(f"the engine could not be used: {error}")


def _tls(address: str, error: BaseException) -> EngineError:
    return EngineUnreachable(
        f"the TLS settings for the engine at `{address}` do not work: {error}",
        hint="look at `DOCKER_CERT_PATH` or at the docker context's `ca.pem`, `cert.pem` and `key.pem`",
    )


def _version(address: str, error: BaseException) -> EngineError:
    return EngineError(f"the engine at `{address}` is too old: {error}", hint="devenv needs Docker 20.10 or newer")


TABLE: Mapping[str, Make] = {
    "docker.errors.APIError": _refused,
    "docker.errors.NotFound": _refused,
    "docker.errors.ImageNotFound": _refused,
    "docker.errors.DockerException": _sdk,
    "docker.errors.InvalidVersion": _version,
    "docker.errors.DeprecatedMethod": _version,
    "docker.errors.TLSParameterError": _tls,
    "docker.errors.InvalidRepository": _said,
    "docker.errors.InvalidConfigFile": _said,
    "docker.errors.InvalidArgument": _said,
    "docker.errors.NullResource": _said,
    "docker.errors.ContainerError": _said,
    "docker.errors.StreamParseError": _gone,
    "docker.errors.BuildError": _said,
    "docker.errors.ImageLoadError": _said,
    "docker.errors.MissingContextParameter": _said,
    "docker.errors.ContextAlreadyExists": _said,
    "docker.errors.ContextException": _said,
    "docker.errors.ContextNotFound": _said,
    "requests.exceptions.SSLError": _tls,
    "requests.exceptions.RequestException": _gone,
    "urllib3.exceptions.HTTPError": _gone,
    "http.client.HTTPException": _gone,
    "paramiko.ssh_exception.SSHException": _gone,
    "builtins.OSError": _gone,
}
