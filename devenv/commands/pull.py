"""`devenv pull`: brings every image that a registry has, so that `up` has nothing to fetch or build."""

from __future__ import annotations

from devenv import performing, workspace
from devenv.engine.protocol import Engine
from devenv.model.pins import RegistryPin
from devenv.supply import Supply
from devenv.telling import Remark, Tell
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PullResult:
    """References of images: those that came, those that were there, those that have to be built here."""

    pulled: tuple[str, ...]
    present: tuple[str, ...]
    missing: tuple[str, ...]


def run(project: Workspace, engine: Engine, source: str | None, *, tell: Tell) -> PullResult:
    """Pull pinned images, and built ones from the team's registry.

    Args:
        source: The team's repository; None is that of the user's settings, if any.

    Raises:
        LockfileError: There is none, or it does not cover the project.
        ImageError: A registry refuses, or does not tell the truth.
    """
    wanted = workspace.resolve(project, engine.info.architecture, records=False)
    supply = Supply(engine, project.machine, tell, lambda line: tell(Remark(line)))
    pulled, present, missing = [], [], []
    for image in wanted.images:
        if performing.present(engine, image) is not None:
            present.append(image.reference)
        elif isinstance(image.source, RegistryPin):
            supply.pull(image.source, image.reference)
            pulled.append(image.reference)
        elif image.is_reproducible and supply.shared(image, source):
            pulled.append(image.reference)
        else:
            missing.append(image.reference)
    return PullResult(tuple(pulled), tuple(present), tuple(missing))
