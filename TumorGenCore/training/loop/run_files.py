"""The two files of a finished run: its settings and its weights."""

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

from TumorGenCore.bundle.disk_errors import named_disk_errors
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["RunFiles"]


@dataclass(frozen=True)
class RunFiles:
    """The files of a stage.

    Args:
        stage: name of the stage on the command line; the file names begin with it.
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
        """Writes the weights of a network and returns the path of the file.

        Args:
            folder: output folder of the run.
            network: trained network; this call makes its parameters contiguous in memory.
            about: metadata of the file.
        """
        path = folder / self.weights
        with replacing(path) as temporary, named_disk_errors(path):
            # ``save_file`` refuses MONAI's ``DynUNet``, which has its layers under two names.
            save_model(network.to(memory_format=torch.contiguous_format), str(temporary), about)  # type: ignore[call-overload]
        return path

    def are_in(self, folder: Path) -> bool:
        """Whether the folder contains a finished run."""
        return (folder / self.weights).exists()

    def unfinished(self, folder: Path) -> TrainingDataError:
        """Returns the error for a folder without a finished run."""
        return TrainingDataError(
            f"{folder} contains no {self.weights}; run `tumorgen train {self.stage}` to its end first."
        )

    def read_about(self, folder: Path) -> dict[str, str]:
        """Reads the metadata that ``write_weights`` saved. Call it inside ``named_damage``."""
        with safe_open(folder / self.weights, "pt") as file:
            return file.metadata() or {}

    def read_weights(self, folder: Path, network: nn.Module) -> None:
        """Loads the weights into a network of the same shapes. Call it inside ``named_damage``."""
        load_model(network, folder / self.weights)

    @contextmanager
    def named_damage(self, folder: Path) -> Iterator[None]:
        """Turns errors of the block into one error that names the damaged file and its folder.

        Raises:
            TrainingDataError: the files are damaged, or the settings describe another network.
        """
        try:
            yield
        except (SafetensorError, RuntimeError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise TrainingDataError(
                f"{self.weights} in {folder} is damaged or does not fit the network in {self.config}; train the "
                f"{self.stage} again."
            ) from error
