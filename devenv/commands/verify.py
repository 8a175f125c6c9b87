"""`devenv verify`: proves that images in use are what their pins say, by making them once more."""

from __future__ import annotations

from collections.abc import Sequence

from devenv import running, verifying, workspace
from devenv.engine.protocol import Engine
from devenv.errors import NotFound
from devenv.telling import Remark, Tell
from devenv.values import dataclass
from devenv.verifying import Verdict
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What was found of each image."""

    verdicts: tuple[Verdict, ...]

    @property
    def holds(self) -> bool:
        """Whether every image is what its pin says."""
        return all(one.holds for one in self.verdicts)


def run(project: Workspace, engine: Engine, units: Sequence[str], *, tell: Tell) -> VerifyResult:
    """Verify the images of these units, or of all.

    Raises:
        UsageError: There is no such app or service.
        NotFound: An image is not there.
        ImageError: An image cannot be made.
    """
    for name in units:
        running.known(project, name)
    wanted = workspace.resolve(project, engine.info.architecture, records=False)
    used = {one.image for one in wanted.containers if not units or one.unit in units}
    images = [image for image in wanted.images if image.reference in used]
    for image in images:
        if engine.image(image.reference) is None:
            raise NotFound(f"`{image.reference}` is not there", hint="run `devenv up` or `devenv pull`")
    return VerifyResult(
        tuple(
            verifying.image(image, engine, project.machine, tell, lambda line: tell(Remark(line))) for image in images
        )
    )
