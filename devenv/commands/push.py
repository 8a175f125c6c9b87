"""`devenv push`: shares images that were built here through the team's registry."""

from __future__ import annotations

from devenv import reference, supply, workspace
from devenv.engine.protocol import Engine
from devenv.errors import LockfileError, NotFound, UsageError
from devenv.model.blueprint import Image
from devenv.telling import Remark, Tell
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image in the team's registry.

    Args:
        name: Where it is there.
        new: Whether it had to be pushed.
    """

    image: str
    name: str
    new: bool


@dataclass(frozen=True, slots=True)
class PushResult:
    """What is in the registry now."""

    images: tuple[Pushed, ...]


def run(project: Workspace, engine: Engine, target: str | None, *, tell: Tell) -> PushResult:
    """Push every image of the project that is built the same everywhere; one by a Dockerfile is not.

    Args:
        target: A repository, from the command line or the user's own settings; never from the project.

    Raises:
        UsageError: No repository is named.
        NotFound: An image is not built yet.
        LockfileError: The lockfile does not say yet what an image must be.
        ImageError: The registry refuses.
    """
    from devenv.images import share

    repository = named(project, target)
    wanted = workspace.resolve(project, engine.info.architecture, records=False)
    built = [image for image in wanted.images if image.is_reproducible]
    for image in built:
        _check(engine, image)
    pushed: list[Pushed] = []
    with supply.registry(project.machine, tell, lambda line: tell(Remark(line))) as registry:
        for image in built:
            new = share.push(image, repository, engine=engine, registry=registry, report=tell)
            pushed.append(Pushed(image.reference, str(share.name(image, repository)), new is not None))
    return PushResult(tuple(pushed))


def named(project: Workspace, target: str | None) -> str:
    """The repository meant.

    Raises:
        UsageError: There is none, or it is none.
    """
    chosen = target or project.machine.registry_images
    if chosen is None:
        raise UsageError(
            "no repository is named for built images",
            hint="name one, `--to ghcr.io/acme/devenv`, or set `registry.images` in your `config.toml`",
        )
    if reference.parse(chosen).digest or ":" in chosen.rpartition("/")[2]:
        raise UsageError(f"`{chosen}` has a tag", hint="name the repository alone: devenv makes a tag for each pin")
    return chosen


def _check(engine: Engine, image: Image) -> None:
    there = engine.image(image.reference)
    if there is None:
        raise NotFound(f"`{image.reference}` is not built yet", hint="run `devenv up` first")
    if image.digest is None:
        raise LockfileError(
            f"`devenv.lock` does not say yet what `{image.reference}` must be", hint="run `devenv up`, and commit it"
        )
    if there.config_digest != image.digest:
        raise NotFound(
            f"`{image.reference}` is not what `devenv.lock` says: {there.config_digest}", hint="run `devenv up`"
        )
