"""A segmenter with a known answer."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from TumorGenCore.method.intensity import NetworkScale
from TumorGenCore.training.config import DataSettings, SegmenterRun
from TumorGenCore.training.stages.segmenter import Segmenter


class _Threshold(nn.Module):
    def __init__(self, suv: float) -> None:
        super().__init__()
        self.at = nn.Parameter(NetworkScale().to_network(torch.tensor([suv])))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - self.at


def hot_finder(
    suv: float, training_cases: tuple[str, ...] = (), pattern: str = "^(.+)$", spacing_mm: float | None = None
) -> Segmenter:
    """Returns a segmenter that marks all voxels hotter than ``suv``; None takes the usual spacing of segmenters."""
    run = SegmenterRun(data=DataSettings(patient_pattern=pattern))
    if spacing_mm is not None:
        run = replace(run, patch=replace(run.patch, spacing_mm=spacing_mm))
    return Segmenter(_Threshold(suv), run, training_cases)
