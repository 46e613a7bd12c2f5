"""Workers on a Ray cluster: actors, each with the model loaded once.

The folder of the results, the scans and the bundle lie on a disk that all machines share. A lost actor or machine is
replaced by the run itself (``crew``), and a run whose own process was killed goes on with ``resume``: Ray ends the
actors of a run that is gone.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.results import Made
from TumorGenCore.cohort.station import Station, StationSettings
from TumorGenCore.errors import WorkerError

__all__ = ["RayWorker", "ray_workers"]


def ray_workers(address: str, count: int | None, bundle: str, device: str, output: Path) -> list[RayWorker]:
    """Connects to a Ray cluster and returns its workers, with one processor thread each.

    Args:
        address: address of the cluster, "auto" for the cluster of this machine, "local" for a new one on it.
        count: number of workers; None for one for each processor of the cluster, or with a GPU one for each GPU.
        bundle: name or folder of the model bundle.
        device: device for the networks.
        output: folder of the results.

    Raises:
        WorkerError: the cluster cannot be reached.
    """
    import ray

    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise WorkerError(
            f"The Ray cluster {address} cannot be reached. Start it with `ray start --head`, or give its address."
        ) from error
    there = ray.cluster_resources()
    on_gpu = device.startswith("cuda") or (device == "auto" and there.get("GPU", 0) >= 1)
    needed = {"num_cpus": 1, "num_gpus": 1 if on_gpu else 0}
    settings = StationSettings(bundle, device, 1, output.resolve())
    return [RayWorker(settings, needed) for _ in range(count or max(1, int(there.get("GPU" if on_gpu else "CPU", 1))))]


class RayWorker:
    """An actor of a Ray cluster; see ``crew.Worker``.

    Args:
        settings: what the worker needs.
        needed: ``num_cpus`` and ``num_gpus`` of the actor.
    """

    def __init__(self, settings: StationSettings, needed: dict[str, int]) -> None:
        import ray

        self._ray = ray
        self.lost: tuple[type[BaseException], ...] = (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError)
        self._kind = ray.remote(Station).options(max_restarts=0, **needed)
        self.settings = settings
        self._actor: Any = None

    def start(self) -> Future[None]:
        """Starts an actor on any machine that has room, and loads the model."""
        self.close()
        self._actor = self._kind.remote(self.settings)
        return self._actor.__ray_ready__.remote().future()

    def make(self, row: ManifestRow, seed: int) -> Future[Made]:
        """Makes a result and writes its files."""
        return self._actor.make.remote(row, seed).future()

    def stop(self) -> None:
        """Ends the actor at once; a result that it makes has no line in the tables, and is made again."""
        self.close()

    def close(self) -> None:
        """Ends the actor."""
        if self._actor is not None:
            self._ray.kill(self._actor)
        self._actor = None
