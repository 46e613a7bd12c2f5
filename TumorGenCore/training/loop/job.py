"""One run of a stage: its input, its output folder and its start."""

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
    """Arguments of every stage beside its settings.

    Args:
        data: folder of cases.
        output: folder of the run; created if it is missing.
        resume: continue from the newest checkpoint in ``output``, if there is one.
        quiet: show no progress bars.
        start_from: source of the initial weights; each stage documents what it accepts.
        cache: folder of cached latents, ``output/cache`` by default. Runs with the same examples may share one.
        cases: the cases of ``data``, if they are in memory already.
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
        """Reads the cases and writes the settings into the folder of the run.

        Args:
            run: the settings.
            files: file names of the stage.

        Returns:
            Training cases and validation cases; there may be no validation cases.

        Raises:
            TrainingDataError: the folder contains another run, or the cases are unusable. Then nothing is written.
        """
        refuse_to_mix(self.output, self.resume)
        cases = load_chosen(self.data, run.data) if self.cases is None else self.cases
        training, validation = split_chosen(cases, run.data)
        write_config(run, self.output / files.config)
        return training, validation

    def train(self, stage: Stage, loop: LoopSettings) -> nn.Module:
        """Trains or resumes a stage in the folder of the run, and returns its averaged network (``trainer.train``)."""
        return train(stage, loop, self.output, self.resume, self.quiet)
