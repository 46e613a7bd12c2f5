"""What an ablation exchanges inside the product: how the condition is made, what the network sees, how times are drawn.

The product does each in one way only. A study puts subclasses in the place of its stage, networks and engine.
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
    """The paper's condition, z^m = (1 - B) z_1: the encoder's reach carries the tumor into latents outside the box.

    Args:
        z_1: latents, (n, c, k, j, i).
        box: B, (n, 1, k, j, i), 1 inside.

    Returns:
        z^m, of z_1's shape.
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
    """A vector field that does not see the box, and has to find it in z^m. Arguments are those of ``VectorField``."""

    def see_box(self, box: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """No box, and controls that speak everywhere; see ``VectorField.see_box``."""
        return torch.zeros_like(box), torch.ones_like(box)


class _BlindStage(GeneratorStage):
    field_kind = BlindField
    variant = "no-box-channel"


class _UniformStage(GeneratorStage):
    def draw_times(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """The paper's plain form: every time as often as any other."""
        return torch.rand(count, generator=generator)


@dataclass(frozen=True)
class Switch:
    """What takes the place of the product's own.

    Args:
        stage: trains.
        generator: inserts.
    """

    stage: type[GeneratorStage] = GeneratorStage
    generator: type[TumorGenerator] = TumorGenerator

    def load(self, folder: Path) -> ModelBundle:
        """A bundle that ``stage`` trained, with the networks it trained.

        Raises:
            ModelBundleError: missing, damaged, or another variant.
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
