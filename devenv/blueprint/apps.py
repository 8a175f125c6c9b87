"""What the engine is to run for each app."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import replace

from devenv.blueprint import balancer, checks, hidden, images, mounts, scripts, setup, substitute
from devenv.blueprint.hidden import Hidden, Value
from devenv.catalog import Catalog
from devenv.model.blueprint import Container, Image, Mount, Placement, Port
from devenv.model.project import BALANCER, App, Project


def for_app(
    project: Project, app: App, entries: Catalog, image: Image, placement: Placement, provided: Mapping[str, Value]
) -> Container:
    """The container of an app; `provided` are the variables of the services it needs."""
    now = setup.of(project, app, entries, image.key)
    base_env = _base_env(app, entries)
    run = ("/bin/sh", "-c", app.run) if app.run else ("sleep", "infinity")
    start = ("/bin/sh", "-c", scripts.data("start.sh"), "devenv-start") if now.commands else run
    secrets = mounts.secret_files(app.name, app_secrets(app, provided), placement)
    if secrets:
        start = (*scripts.exported(mounts.APP_SECRETS, mounts.SECRETS_INSIDE), *start)
    ready = checks.ready_with(app.ready, scripts.exported(mounts.APP_SECRETS) if secrets else ())
    balanced = balancer.is_balanced(project, app, placement)
    ports = tuple(Port(port, placement.ports.get(f"{app.name}/{port}", port), app.reach.address) for port in app.ports)
    return Container(
        name=f"{placement.instance}-{app.name}-1",
        unit=app.name,
        kind="app",
        image=image.reference,
        entrypoint=start,
        command=(now.hash, now.key, *now.commands, "--", *run) if now.commands else (),
        env=mounts.surroundings(placement) | base_env | hidden.plain(provided) | dict(app.env),
        base_env=base_env,
        user=placement.user,
        working_dir=images.WORK,
        mounts=(
            _folder(project, app, placement),
            Mount("volume", f"{placement.instance}_{app.like or app.name}-home", images.HOME),
            *mounts.passwd(placement, image),
            *mounts.certificates(placement),
            *mounts.delivered(placement, secrets, mounts.APP_SECRETS),
            *((Mount("tmpfs", "", mounts.SECRETS_INSIDE, owner=placement.user),) if secrets else ()),
        ),
        secrets=secrets,
        ports=() if balanced else ports,
        needs=(
            *app.needs,
            *((files_unit(project, app),) if placement.copies else ()),
            *((BALANCER,) if balanced else ()),
        ),
        setup=bool(now.commands),
        readiness=checks.readiness((ready,) if ready else (), app.ports),
        health=checks.health(_app_health(replace(app, ready=ready), now)),
        limits=app.limits,
        scales=balanced or app.replicas is not None or balancer.replicas(project, app, placement) > 1,
        behind=app.ports if balanced else (),
    )


def _base_env(app: App, entries: Catalog) -> dict[str, str]:
    """The variables that its stacks need."""
    stacks = [entries.stack(stack.name) for stack in app.stacks]
    values = {"home": images.HOME}
    paths = [path for stack in stacks for path in substitute.each(stack.path, values)]
    stack_env = {key: value for stack in stacks for key, value in substitute.table(stack.env, values).items()}
    # An image that the project names itself knows best where its programs are.
    path = {} if app.image else {"PATH": ":".join((*paths, images.PATH))}
    return {"HOME": images.HOME} | path | stack_env


def brought(project: Project, app: App, known: Collection[str]) -> dict[str, Hidden]:
    """The secrets that people bring and an app gets: all it cannot do without, and of the others those there are.

    Args:
        known: Names of those there are.
    """
    mine = (one for one in project.secrets if one.apps is None or app.name in one.apps)
    return {one.name: Hidden(("", ""), (one.name,), False) for one in mine if one.required or one.name in known}


def app_secrets(app: App, provided: Mapping[str, Value]) -> dict[str, Hidden]:
    """The variables with secrets that an app gets: those that it does not set itself."""
    return {name: value for name, value in hidden.only(provided).items() if name not in app.env}


def for_files(project: Project, app: App, image: Image, placement: Placement) -> Container:
    """The container that holds the volume of an app's folder, so that files can be brought in before the app starts."""
    unit = files_unit(project, app)
    return Container(
        name=f"{placement.instance}-{unit}-1",
        unit=unit,
        kind="files",
        image=image.reference,
        # A new volume is root's, and the app has to write there.
        entrypoint=("/bin/sh", "-c", 'chown -h "$1" . && exec sleep infinity', "devenv-files"),
        command=(placement.user,),
        user="0:0",
        working_dir=images.WORK,
        mounts=(_folder(project, app, placement),),
        network="none",
        stop_signal="SIGTERM",
        stop_grace=1,
    )


def files_unit(project: Project, app: App) -> str:
    """The unit that holds an app's folder; apps of one folder share it, it is called after the first of them."""
    folder = posixpath.normpath(app.dir)
    return f"{next(one.name for one in project.apps if posixpath.normpath(one.dir) == folder)}.files"


def _folder(project: Project, app: App, placement: Placement) -> Mount:
    folder = mounts.inside(project, app.dir, f"`dir` of app `{app.name}`", placement)
    if not placement.copies:
        return Mount("bind", folder, images.WORK)
    return Mount("volume", f"{placement.instance}_{files_unit(project, app).replace('.', '-')}", images.WORK)


def _app_health(app: App, now: setup.Setup) -> tuple[str, ...]:
    command = checks.command_of(app.ready, app.ports)
    if not command and now.commands:
        return ("test", "-e", f"{images.HOME}/.devenv/setup-{now.key}")
    return command
