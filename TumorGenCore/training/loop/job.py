"""One run of a stage: where it reads and writes, and how it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from TumorGenCore.training.config import AnyRun, write_config
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.chosen_cases import load_chosen, split_chosen
from TumorGenCore.training.loop.checkpoint import refuse_to_mix
from TumorGenCore.training.loop.run_files import RunFiles
from TumorGenCore.training.loop.settings import LoopSettings
from TumorGenCore.training.loop.stage import Stage
from TumorGenCore.training.loop.trainer import train

__all__ = ["TrainingJob"]


@dataclass(frozen=True)
class TrainingJob:
    """What every stage is told beside its settings.

    Args:
        data: folder of cases.
        output: folder of the run; made where it is not there.
        resume: go on from the newest checkpoint in ``output``, if any.
        quiet: no progress bars.
        start_from: what the stage's first weights are taken from; each stage says what it takes.
        cache: folder of cached latents, ``output/cache`` by default. Runs whose examples are the same may share one.
        cases: those of ``data``, where they have been read already.
    """

    data: Path
    output: Path
    resume: bool = False
    quiet: bool = False
    start_from: str | Path | None = None
    cache: Path | None = None
    cases: Sequence[Case] | None = None

    @property
    def latents(self) -> Path:
        """Folder of the cached latents."""
        return self.cache or self.output / "cache"

    def begin(self, run: AnyRun, files: RunFiles) -> tuple[list[Case], list[Case]]:
        """Read the cases, and write the settings into the run's folder.

        Args:
            run: the settings.
            files: the names of the stage's files.

        Returns:
            Training and validation cases; the second may be empty.

        Raises:
            TrainingDataError: the folder holds another run, or the cases cannot be used. Nothing is written then.
        """
        refuse_to_mix(self.output, self.resume)
        cases = load_chosen(self.data, run.data) if self.cases is None else self.cases
        training, validation = split_chosen(cases, run.data)
        write_config(run, self.output / files.config)
        return training, validation

    def train(self, stage: Stage, loop: LoopSettings) -> nn.Module:
        """The averaged network of a stage that runs, or goes on, in the run's folder; see ``trainer.train``."""
        return train(stage, loop, self.output, self.resume, self.quiet)
