"""A Dask cluster as the engine: one that runs already, one of Slurm's, or one on this machine.

Retries, work stealing, memory limits and the dashboard are Dask's own. What is added here: each case is one task, an
answer is handed on as it comes, and an exception or a dead worker is the answer of its own case.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.parallel import WorkerDiedError, travelling_answer

Item = TypeVar("Item")
Result = TypeVar("Result")

PURPOSE = "to work on a cluster"
CONNECT_S = 30.0  # seconds to wait for the scheduler
FIRST_WORKER_S = 3600.0  # seconds to wait for the first worker; a queue may be long
TRIES = 3  # how often a case may take its worker down before it is in quarantine
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SlurmJobs:
    """What to ask Slurm for.

    Attributes
    ----------
    queue
        Partition.
    workers
        How many jobs of one worker each, at most.
    memory_gb, cores
        Of each.
    walltime
        Of each, ``HH:MM:SS``; a job that ends is replaced while there is work.
    account
        Whose time it is; the user's default when ``None``.
    """

    queue: str
    workers: int = 8
    memory_gb: float = 8.0
    cores: int = 1
    walltime: str = "04:00:00"
    account: str | None = None


class ClusterLostError(DapatlasError):
    """The scheduler is gone, and with it what was under way."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """An engine that hands cases to Dask.

    Attributes
    ----------
    client
        A connected ``distributed.Client``.
    """

    client: Any

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], need_mb: float = 0.0
    ) -> Iterator[tuple[Item, Result | Exception]]:
        """As :class:`~dapatlas.pipeline.engine.Engine` says; ``need_mb`` is for Dask's memory limits to hold.

        Raises
        ------
        ClusterLostError
            The scheduler went away; what was answered before stands.
        """
        if not items:
            return
        distributed = needed("distributed", "cluster", PURPOSE)
        lost = (OSError, TimeoutError, distributed.comm.CommClosedError)
        try:
            if not self.client.nthreads():
                logger.warning("waiting for the first worker of the cluster")
            self.client.wait_for_workers(1, timeout=FIRST_WORKER_S)
            # sent once, and a task itself: scattered data would be lost with the workers that hold it
            everywhere = self.client.submit(pickle.loads, pickle.dumps(function), pure=False)
            suspects: list[Item] = []
            for item, answer in self._together(everywhere, items):
                if isinstance(answer, WorkerDiedError):
                    suspects.append(item)
                else:
                    yield item, answer
            for item in suspects:  # one by one: now nobody else's case can have brought the worker down
                yield from self._together(everywhere, [item])
        except lost as error:
            raise _lost(error) from None

    def _together(self, function: Any, items: Sequence[Item]) -> Iterator[tuple[Item, Any]]:
        """All at once; Dask blames a worker's death on every case that was assigned to that worker."""
        as_completed = needed("distributed", "cluster", PURPOSE).as_completed
        futures = {self.client.submit(travelling_answer, function, item, pure=False): item for item in items}
        for future in as_completed(futures, loop=self.client.loop):
            yield futures.pop(future), _answer(future)
            future.release()


def _answer(future: Any) -> Any:
    if future.status == "cancelled":
        raise _lost("the scheduler dropped what was under way")
    if future.status != "error":
        return future.result()
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        return WorkerDiedError(
            f"worker processes died {TRIES} times under this case, and again when it was alone; most likely memory ran "
            "out: give workers more, or look at the case"
        )
    return error


def _lost(error: object) -> ClusterLostError:
    return ClusterLostError(
        f"the cluster is gone ({error}); what was finished is kept: start the same command again to go on"
    )


@contextmanager
def open_cluster(
    *, address: str | None = None, local: int | None = None, slurm: SlurmJobs | None = None
) -> Iterator[Cluster]:
    """Connect to a cluster, or start one, and let go of it afterwards.

    Parameters
    ----------
    address
        Of a scheduler that runs, such as ``tcp://head:8786``.
    local
        Start so many worker processes on this machine.
    slurm
        Start workers as jobs of Slurm.

    Raises
    ------
    DapatlasError
        Dask is not installed, the scheduler doesn't answer, or Slurm's commands are not here.
    """
    distributed = needed("distributed", "cluster", PURPOSE)
    dask = needed("dask", "cluster", PURPOSE)
    with ExitStack() as stack:
        stack.enter_context(
            dask.config.set(
                {
                    "distributed.scheduler.allowed-failures": TRIES - 1,
                    "distributed.comm.timeouts.connect": CONNECT_S,
                }
            )
        )
        where: Any = address
        if local is not None:
            where = stack.enter_context(_local(distributed, local))
        elif slurm is not None:
            where = stack.enter_context(_slurm(slurm))
        try:
            client = stack.enter_context(distributed.Client(where, timeout=CONNECT_S, set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            raise DapatlasError(
                f"no Dask scheduler answers at {address} ({type(error).__name__}); start one with `dask scheduler`, or "
                "correct the address"
            ) from None
        logger.info("dashboard: %s", client.dashboard_link)
        yield Cluster(client)


def _local(distributed: Any, workers: int) -> Any:
    """One thread a worker: the work is numpy's, and a worker that dies takes one case with it."""
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    )


def _slurm(asked: SlurmJobs) -> Any:
    cluster = needed("dask_jobqueue", "cluster", PURPOSE).SLURMCluster(**_slurm_options(asked))
    cluster.adapt(minimum_jobs=1, maximum_jobs=asked.workers)
    return cluster


def _slurm_options(asked: SlurmJobs) -> dict[str, Any]:
    """One process and one thread a job: a case that takes its worker down takes no other with it."""
    return {
        "queue": asked.queue,
        "account": asked.account,
        "cores": asked.cores,
        "processes": 1,
        "memory": f"{asked.memory_gb:g} GiB",
        "walltime": asked.walltime,
        "worker_extra_args": ["--nthreads", "1"],
    }
