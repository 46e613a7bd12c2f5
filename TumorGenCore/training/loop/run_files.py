"""The two files that a finished run leaves: its settings, and its weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model
from torch import nn

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["RunFiles"]


@dataclass(frozen=True)
class RunFiles:
    """The files of a stage.

    Args:
        stage: its name on the command line, after which the files are named.
    """

    stage: str

    @property
    def config(self) -> str:
        """File name of the settings."""
        return f"{self.stage}.json"

    @property
    def weights(self) -> str:
        """File name of the weights."""
        return f"{self.stage}.safetensors"

    def write_weights(self, folder: Path, network: nn.Module, about: dict[str, str] | None = None) -> Path:
        """Write a network's weights; returns the file.

        Args:
            folder: the run's output.
            network: trained; its parameters are contiguous in memory afterwards.
            about: metadata of the file.
        """
        path = folder / self.weights
        with replacing(path) as temporary:
            # MONAI's ``DynUNet`` has its layers under two names, which ``save_file`` refuses.
            save_model(network.to(memory_format=torch.contiguous_format), str(temporary), about)  # type: ignore[call-overload]
        return path

    def are_in(self, folder: Path) -> bool:
        """Whether a run ended in the folder."""
        return (folder / self.weights).exists()

    def unfinished(self, folder: Path) -> TrainingDataError:
        """The error for a folder in which no run ended."""
        return TrainingDataError(
            f"{folder} holds no {self.weights}; run `tumorgen train {self.stage}` to its end first."
        )

    def read_about(self, folder: Path) -> dict[str, str]:
        """The metadata that ``write_weights`` was given; call it where damage is named (``named_damage``)."""
        with safe_open(folder / self.weights, "pt") as file:
            return file.metadata() or {}

    def read_weights(self, folder: Path, network: nn.Module) -> None:
        """Load the weights into a network of their shapes; call it where damage is named (``named_damage``)."""
        load_model(network, folder / self.weights)

    @contextmanager
    def named_damage(self, folder: Path) -> Iterator[None]:
        """Say of which run the files are damaged, if what the block does with them fails.

        Raises:
            TrainingDataError: they are damaged, or the settings describe another network.
        """
        try:
            yield
        except (SafetensorError, RuntimeError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise TrainingDataError(
                f"{self.weights} in {folder} is damaged or not of the network in {self.config}; train the {self.stage} "
                "again."
            ) from error
