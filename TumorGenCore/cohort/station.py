"""What runs in a worker process: a model that is loaded once, and the making of results."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import SimpleITK as sitk
import torch

from TumorGenCore.cohort.maker import CaseMaker
from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.results import Made
from TumorGenCore.errors import WorkerError
from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["Station", "StationSettings"]


@dataclass(frozen=True)
class StationSettings:
    """What a worker process needs.

    Args:
        bundle: name or folder of the model bundle.
        device: device for the networks.
        threads: processor threads of the worker.
        output: folder of the results, which the run has made.
    """

    bundle: str
    device: str
    threads: int
    output: Path


class Station:
    """A worker: it makes results one at a time.

    Args:
        settings: what it needs.

    Raises:
        WorkerError: this machine does not see the folder of the results.
        ModelBundleError: the bundle cannot be used.
    """

    def __init__(self, settings: StationSettings) -> None:
        torch.set_num_threads(settings.threads)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(settings.threads)
        if not settings.output.is_dir():
            raise WorkerError(
                f"A worker on another machine does not see the folder {settings.output}. Give a folder of a disk that "
                "all machines share, under one path."
            )
        self._maker = CaseMaker(TumorGenerator.from_pretrained(settings.bundle, settings.device), settings.output)

    def make(self, row: ManifestRow, seed: int) -> Made:
        """Makes a result and writes its files.

        Raises:
            KeyboardInterrupt: the run was stopped before the files were there.
            OSError: a file cannot be written.
        """
        kept: list[Made] = []
        with suppress(KeyboardInterrupt):
            self._maker.make(row, seed, kept.append)
        if not kept:
            raise KeyboardInterrupt
        return kept[0]


class StopsOnlyWork:
    """Handler of SIGTERM in a worker process: it stops what is being done, and never an idle worker."""

    def __init__(self) -> None:
        self._works = False
        signal.signal(signal.SIGTERM, self)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches all processes of a terminal; the run decides.

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._works:
            self._works = False
            raise KeyboardInterrupt

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Lets SIGTERM raise KeyboardInterrupt in the block."""
        self._works = True
        try:
            yield
        finally:
            self._works = False
