"""Options of every command that goes case by case: who works, and on which cases."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from dapatlas.pipeline.cluster import SlurmJobs
    from dapatlas.pipeline.engine import Schedule

STOPPED = 130  # exit code, as shells have it: 128 + SIGINT
PANEL = "Who works, and on which cases"
SLURM_SETTINGS = {"workers": int, "memory_gb": float, "cores": int, "walltime": str, "account": str}


def _options(
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", help="Worker processes; one a processor by default.", min=1, rich_help_panel=PANEL
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Work on the Dask cluster of this scheduler, e.g. `tcp://head:8786`.",
            show_default=False,
            rich_help_panel=PANEL,
        ),
    ] = None,
    slurm: Annotated[
        str | None,
        typer.Option(
            help="Work in jobs of Slurm: `QUEUE`, or `QUEUE,workers=8,memory_gb=8,walltime=04:00:00`.",
            show_default=False,
            rich_help_panel=PANEL,
        ),
    ] = None,
    dask_local: Annotated[
        int | None,
        typer.Option(
            help="Work in so many Dask workers on this machine.",
            min=1,
            show_default=False,
            rich_help_panel=PANEL,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Look at this case alone; may be repeated.", show_default=False, rich_help_panel=PANEL
        ),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Do the cases that failed before, those in quarantine too, and nothing else.",
            rich_help_panel=PANEL,
        ),
    ] = False,
) -> None:
    """Their names, types and defaults; see :func:`with_schedule`."""


def with_schedule(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options above in place of its parameter ``schedule``, which it gets ready for use."""
    theirs, ours = inspect.signature(command), inspect.signature(_options)
    parameters = {name: each for name, each in theirs.parameters.items() if name != "schedule"}
    missing = {name: each for name, each in ours.parameters.items() if name not in parameters}

    @wraps(command)
    def run(**given: Any) -> None:
        asked: dict[str, Any] = {
            name: given.pop(name) if name in missing else given.get(name) for name in ours.parameters
        }
        try:
            with scheduled(**asked) as schedule:
                command(**given, schedule=schedule)
        except KeyboardInterrupt:
            typer.secho("stopped; what is finished is kept: start the same command again to go on", err=True)
            raise typer.Exit(STOPPED) from None

    hints = {**_hints(command), **_hints(_options)}
    merged = [each.replace(annotation=hints[name]) for name, each in {**parameters, **missing}.items()]
    run.__signature__ = theirs.replace(parameters=merged)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in merged}
    return run


def _hints(function: Callable[..., None]) -> dict[str, Any]:
    """Types of its parameters, of ``schedule`` excepted, which is not known before the pipeline is loaded."""
    kept = {
        name: hint for name, hint in function.__annotations__.items() if name not in ("schedule", "return")
    }
    holder = type("Holder", (), {"__annotations__": kept})
    return get_type_hints(holder, function.__globals__, include_extras=True)


@contextmanager
def scheduled(
    jobs: int | None = None,
    cluster: str | None = None,
    slurm: str | None = None,
    dask_local: int | None = None,
    only: list[str] | None = None,
    *,
    retry_failed: bool = False,
) -> Iterator[Schedule]:
    """The schedule that the options ask for; a cluster is let go of at the end.

    Raises
    ------
    typer.BadParameter
        Options contradict each other.
    DapatlasError
        The cluster cannot be had.
    """
    from dapatlas.pipeline.engine import Processes, Schedule

    asked = [name for name in (cluster, slurm, dask_local) if name is not None]
    if len(asked) > 1 or (asked and jobs is not None):
        raise typer.BadParameter("give one of --jobs, --cluster, --slurm and --dask-local")
    if not asked:
        yield Schedule(Processes(jobs), tuple(only or ()), retry_failed)
        return
    from dapatlas.pipeline.cluster import open_cluster

    with open_cluster(
        address=cluster, local=dask_local, slurm=slurm_jobs(slurm) if slurm else None
    ) as engine:
        yield Schedule(engine, tuple(only or ()), retry_failed)


def slurm_jobs(text: str) -> SlurmJobs:
    """What ``--slurm`` asks for.

    Raises
    ------
    typer.BadParameter
        It holds a setting that is not known, or a number that is none.
    """
    from dapatlas.pipeline.cluster import SlurmJobs

    queue, *settings = text.split(",")
    found: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            found[name] = SLURM_SETTINGS[name](value)
        except (KeyError, ValueError):
            raise typer.BadParameter(
                f"{setting!r}: expected NAME=VALUE with {', '.join(SLURM_SETTINGS)}", param_hint="--slurm"
            ) from None
    return SlurmJobs(queue, **found)
