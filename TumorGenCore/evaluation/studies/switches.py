"""Parts of the product that an ablation replaces: the condition, the input of the network, the distribution of times.

The product does each of these in one way only. A study replaces its stage, networks and engine by subclasses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from TumorGenCore.bundle.model_bundle import ModelBundle, load_bundle
from TumorGenCore.evaluation.studies.insertion_switches import Replacing, Unfitted, Unrefined
from TumorGenCore.insertion.engine import Engine
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.vector_field import VectorField
from TumorGenCore.training.data.latent_encoder import LatentEncoder
from TumorGenCore.training.stages.generator_stage import GeneratorStage

__all__ = [
    "BLIND_FIELD",
    "MASKED_AFTER",
    "REPLACING",
    "UNFITTED",
    "UNIFORM_TIMES",
    "UNREFINED",
    "BlindField",
    "Switch",
    "masked_after",
]


def masked_after(z_1: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Returns the paper's condition, z^m = (1 - B) z_1. Latents outside the box may contain traces of the tumor.

    Args:
        z_1: latents, (n, c, k, j, i); the encoder's reach carries the tumor beyond the box.
        box: B, (n, 1, k, j, i), 1 inside.

    Returns:
        z^m, same shape as z_1.
    """
    return (1 - box) * z_1


class _AfterEncoder(LatentEncoder):
    condition_name = "after"

    def condition(
        self, patch: torch.Tensor, inside: torch.Tensor, z_1: torch.Tensor, box: torch.Tensor
    ) -> torch.Tensor:
        return masked_after(z_1, box)


class _AfterEngine(Engine):
    def condition(
        self, x: torch.Tensor, inside: torch.Tensor, z_1: torch.Tensor, box_latent: torch.Tensor
    ) -> torch.Tensor:
        return masked_after(z_1, box_latent)


class _AfterGenerator(TumorGenerator):
    engine_type = _AfterEngine


class _AfterStage(GeneratorStage):
    encoder_kind = _AfterEncoder
    variant = "mask-after"


class BlindField(VectorField):
    """A vector field that does not see the box and must find it in z^m. It has the arguments of ``VectorField``."""

    def see_box(self, box: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns an empty box, and a mask that applies the controls everywhere; see ``VectorField.see_box``."""
        return torch.zeros_like(box), torch.ones_like(box)


class _BlindStage(GeneratorStage):
    field_kind = BlindField
    variant = "no-box-channel"


class _UniformStage(GeneratorStage):
    def draw_times(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draws uniform times, the plain form of the paper."""
        return torch.rand(count, generator=generator)


@dataclass(frozen=True)
class Switch:
    """Classes that replace those of the product.

    Args:
        stage: class for the training.
        generator: class for the insertion.
    """

    stage: type[GeneratorStage] = GeneratorStage
    generator: type[TumorGenerator] = TumorGenerator

    def load(self, folder: Path) -> ModelBundle:
        """Loads a bundle that ``stage`` trained, with the class of its vector field.

        Raises:
            ModelBundleError: the bundle is missing, damaged, or of another variant.
        """
        bundle = load_bundle(folder, self.stage.variant)
        field = self.stage.field_kind(**bundle.network_arguments["vector_field"])
        field.load_state_dict(bundle.vector_field.state_dict())
        bundle.vector_field = field.eval().requires_grad_(False)
        return bundle


MASKED_AFTER = Switch(_AfterStage, _AfterGenerator)
BLIND_FIELD = Switch(_BlindStage)
UNIFORM_TIMES = Switch(_UniformStage)
UNREFINED = Switch(generator=Unrefined)
UNFITTED = Switch(generator=Unfitted)
REPLACING = Switch(generator=Replacing)
