"""The computations of a training step of the generator: Eq. 7 on cached latents of a frozen VAE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method import losses
from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.method.devices import channels_last
from TumorGenCore.method.mask_refiner import MaskRefiner
from TumorGenCore.method.schedule import time_grid
from TumorGenCore.method.solver import KnownRegion, integrate
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.method.vector_field import VectorField
from TumorGenCore.training.config import AutoencoderRun, GeneratorRun
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.data.latent_encoder import LatentEncoder
from TumorGenCore.training.data.latents import LatentCache
from TumorGenCore.training.data.misplaced_mask import misplaced
from TumorGenCore.training.data.shape_library import Shape
from TumorGenCore.training.loop.pictures import save_slices
from TumorGenCore.training.loop.stage import Batch
from TumorGenCore.training.stages.generator_networks import GeneratorNetworks, network_arguments

__all__ = ["VALIDATION_TIMES", "GeneratorStage", "draw_noise"]

#: Times of the validation, from almost noise to almost data.
VALIDATION_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
#: Number of validation examples that measure the refiner's masks, and number shown in the pictures.
_REFINED, _SHOWN = 16, 10


class GeneratorStage:
    """Training by Eq. 7 on batches of one patch size each. Subclasses may replace class attributes and methods.

    Batches come from ``LatentCache.batch``. [z, m] are normalized latents and the latent mask, -1 to 1:
    (n, c + 1, k, j, i).

    Args:
        run: settings.
        vae: encodes examples and decodes latents; it is not trained.
        vae_run: settings of the VAE, which provide scale and patch.
        training: cases to learn from.
        validation: cases to measure on; without any, there are no validations and pictures.
        cache: folder of the cached latents.
        quiet: show no progress bar.
        shapes: shapes to learn from.
    """

    #: Class that makes latents and condition of an example.
    encoder_kind: ClassVar[type[LatentEncoder]] = LatentEncoder
    #: Class of SC-VFE.
    field_kind: ClassVar[type[VectorField]] = VectorField
    #: Variant of a study, if only that study can use the networks of this stage; see ``ModelBundle``.
    variant: ClassVar[str] = ""

    def __init__(
        self,
        run: GeneratorRun,
        vae: PetVAE,
        vae_run: AutoencoderRun,
        training: Sequence[Case],
        validation: Sequence[Case],
        cache: Path,
        quiet: bool,
        shapes: Sequence[Shape] = (),
    ) -> None:
        self.run, self.scale = run, vae_run.scale
        self.patch = replace(
            vae_run.patch,
            # The network makes no good tumor that is larger than those it has seen.
            max_size=max(vae_run.patch.multiple, *map(int, run.buckets)),
            most_turn_degrees=run.most_turn_degrees,
            most_shift_mm=run.most_shift_mm,
        )
        self.shapes = shapes
        self.vae = channels_last(use_onednn(vae))
        self.training, self.validation = training, validation
        torch.manual_seed(run.loop.seed)
        self.arguments = network_arguments(run, vae, vae_run)
        self.network: nn.Module = channels_last(use_onednn(self.build_network()))
        makers = (self._maker(training, 0), self._maker(validation, 1) if validation else None)
        encoder = self.encoder_kind(vae, self.scale)
        self.caches = {
            int(size): LatentCache.build(
                cache / f"training-{size}.safetensors", encoder, makers[0], int(size), int(count), quiet
            )
            for size, (count, _, _) in run.buckets.items()
        }
        self.sizes = sorted(self.caches)
        middle = self.sizes[len(self.sizes) // 2]
        self.mean, self.deviation = self.caches[middle].statistics()
        self.held_out: LatentCache | None = None
        if makers[1] is not None:
            self.held_out = LatentCache.build(
                cache / "validation.safetensors", encoder, makers[1], middle, run.validation_examples, quiet
            )

    def _maker(self, cases: Sequence[Case], more: int) -> ExampleMaker:
        seed = self.run.loop.seed + more
        return ExampleMaker(cases, self.patch, self.run.offsets, self.run.examples, seed, self.shapes)

    def build_network(self) -> nn.Module:
        """Builds the network to train; its weights come from PyTorch's global random state."""
        field = self.field_kind(**self.arguments["vector_field"])
        field.requires_grad_(not self.run.refiner_only)
        return GeneratorNetworks(field, MaskRefiner(**self.arguments["mask_refiner"]))

    def start_from(self, bundle: ModelBundle) -> None:
        """Takes over the networks of a bundle and the scale of their latents.

        Raises:
            TrainingDataError: the networks have other shapes than those of this run.
        """
        for part in ("vector_field", "mask_refiner"):
            # If the bundle lacks an embedding of the controls, the embedding starts at zero and changes nothing.
            theirs, ours = (_but_embedding(a[part]) for a in (bundle.network_arguments, self.arguments))
            if theirs != ours:
                if part == "mask_refiner" and self.run.refiner_only:
                    continue  # It is trained anyway, here from random weights.
                raise TrainingDataError(
                    f"The {part} of {bundle.name} has other shapes than this run; set the same shapes in the "
                    "configuration, or train without --start-from."
                )
            state = getattr(self.network, part).state_dict() | getattr(bundle, part).state_dict()
            getattr(self.network, part).load_state_dict(state)
        self.mean, self.deviation = bundle.latent_mean, bundle.latent_deviation  # The scale of their training.

    def batch(self, step: int, process: int) -> Batch:
        """Returns cached examples of one patch size, drawn by the shares in ``run.buckets``; see ``Stage.batch``."""
        rng = np.random.default_rng([self.run.loop.seed, 3, step, process])
        shares = np.array([self.run.buckets[str(size)][2] for size in self.sizes])
        size = self.sizes[rng.choice(len(self.sizes), p=shares / shares.sum())]
        cache = self.caches[size]
        indices = rng.integers(len(cache), size=int(self.run.buckets[str(size)][1])).tolist()
        return self.normalized(cache, indices)

    def normalized(self, cache: LatentCache, indices: list[int]) -> Batch:
        """Returns some examples of a cache, normalized for the networks; see ``LatentCache.batch``."""
        return cache.batch(indices, *self._latent_scale(), self.vae.factor)

    def draw_times(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draws times of a batch, (count,), 0 noise, 1 data; logit-normal (Esser et al.), so middle times are frequent.

        Args:
            count: number of times.
            generator: random generator on the CPU, so that devices agree.
        """
        return torch.sigmoid(torch.randn(count, generator=generator))

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Returns Eq. 7 and its terms ``rfm``, ``coarse``, ``fine`` and ``rec``; see ``Stage.loss``.

        With ``run.refiner_only`` the loss is the refiner's term ``rec`` alone.
        """
        x_1, z_m, box = batch["x_1"], batch["z_m"], batch["box"]
        if self.run.refiner_only:
            rec = self._mask_loss(network, self._misplaced(x_1, generator), batch["mask"])
            return rec, {"rec": float(rec.detach())}
        noise = draw_noise(x_1, generator)
        t = self.draw_times(len(x_1), generator).to(x_1.device)
        at = t.reshape(-1, 1, 1, 1, 1)
        x_t = (1 - at) * noise + at * x_1
        velocity = network(x_t, z_m, box, t, self._heard(batch["controls"], generator)).float()
        x_hat = losses.data_estimate(x_t, velocity, t)
        z_1, m_1 = x_1[:, :-1], (x_1[:, -1:] + 1) / 2
        z_hat, m_hat = x_hat[:, :-1], ((x_hat[:, -1:] + 1) / 2).clamp(0, 1)
        # During sampling x is known outside the box, so errors there count less.
        weight = 1 + (self.run.box_weight - 1) * box + self.run.tumor_weight * m_1
        rfm = losses.rectified_flow_loss(velocity, x_1, noise, weight)
        coarse = losses.coarse_loss(z_hat, z_1, box, t)
        fine = losses.fine_loss(z_hat, m_hat, z_1, m_1, box, t)
        rec = self._refiner_loss(network, batch, x_hat.detach(), t, generator)
        total = losses.total_loss(rfm, coarse, fine, rec, self.run.lambda_1, self.run.lambda_2, self.run.lambda_3)
        parts = {"rfm": rfm, "coarse": coarse, "fine": fine, "rec": rec}
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def _heard(self, controls: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Returns the controls that the network gets: some examples have none, others lack one."""
        count = controls.shape
        some = torch.rand(count[0], 1, generator=generator) >= self.run.uncontrolled_share
        each = torch.rand(count, generator=generator) >= self.run.control_dropout
        return controls * (some & each).to(controls.device)

    def _refiner_loss(
        self, network: nn.Module, batch: Batch, x_hat: torch.Tensor, t: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Returns ``_mask_loss``, half on predicted latents (latest t), half on true latents with misplaced masks."""
        cells = batch["x_1"][0, 0].numel()
        count = max(2, self.run.refiner_examples * 12**3 // cells)
        order = t.argsort(descending=True)[: max(1, count // 2)]
        predicted = x_hat[order[t[order] > 0.5]] if bool((t[order] > 0.5).any()) else x_hat[:0]
        rest = order.flip(0)[: count - len(predicted)]
        x = torch.cat([predicted, self._misplaced(batch["x_1"][rest], generator)])
        mask = torch.cat([batch["mask"][order[: len(predicted)]], batch["mask"][rest]])
        return self._mask_loss(network, x, mask)

    def _misplaced(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return torch.cat([x[:, :-1], misplaced(x[:, -1:], self.run.mask_error_cells, generator)], dim=1)

    def _mask_loss(self, network: nn.Module, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Returns Eq. 6 with Dice and cross-entropy."""
        logits = self._refine(network, x)
        return losses.reconstruction_loss(torch.sigmoid(logits), mask) + losses.overlap_loss(logits, mask)

    def _refine(self, network: nn.Module, x: torch.Tensor) -> torch.Tensor:
        bare: Any = getattr(network, "module", network)
        with torch.no_grad():
            features = self.decode(x)[1]
        logits: torch.Tensor = bare.mask_refiner(x[:, -1:].clamp(-1, 1), features)
        return logits.float()

    def decode(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Returns patches on the network scale, (n, 1, 4k, 4j, 4i), and the features of the decoder.

        Args:
            x: [z, m]; m is ignored.
        """
        self.vae.to(x.device)
        mean, deviation = (v.to(x.device) for v in self._latent_scale())
        return self.vae.decode_with_features(x[:, :-1] * deviation + mean)

    def _latent_scale(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(self.mean).reshape(1, -1, 1, 1, 1), torch.tensor(self.deviation).reshape(1, -1, 1, 1, 1)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Returns errors of the velocity in the box, without and with controls, and Dice of the refiner's masks.

        See ``Stage.validate``. The refiner gets true latents, once with true masks and once with misplaced masks.
        """
        if self.held_out is None:
            return {}
        batch = self.normalized(self.held_out, list(range(len(self.held_out))))
        generator = torch.Generator().manual_seed(0)
        noise = draw_noise(batch["x_1"], generator)
        errors: dict[str, list[torch.Tensor]] = {"rfm": [], "rfm_controlled": []}
        for t in VALIDATION_TIMES:
            x_t = (1 - t) * noise + t * batch["x_1"]
            for name, controls in (("rfm", None), ("rfm_controlled", batch["controls"])):
                velocity = network(x_t, batch["z_m"], batch["box"], torch.full((len(noise),), t), controls)
                errors[name].append(losses.rectified_flow_loss(velocity, batch["x_1"], noise, batch["box"] + 1e-3))
        shown = {name: value[:_REFINED] for name, value in batch.items()}
        truth, dice = shown["mask"] > 0.5, {}
        for name, x in (("", shown["x_1"]), ("_misplaced", self._misplaced(shown["x_1"], generator))):
            refined = torch.sigmoid(self._refine(network, x)) > 0.5
            overlap = 2 * (refined & truth).sum() / (refined.sum() + truth.sum()).clamp_min(1)
            dice[f"refiner_dice{name}"] = float(overlap)
        return {**{name: float(torch.stack(values).mean()) for name, values in errors.items()}, **dice}

    def picture(self, network: nn.Module, path: Path) -> None:
        """Shows validation examples, their conditions and three tumors grown in each; see ``Stage.picture``."""
        if self.held_out is None:
            return
        batch = self.normalized(self.held_out, list(range(min(_SHOWN, len(self.held_out)))))
        x_1, z_m, box = batch["x_1"], batch["z_m"], batch["box"]
        known_data = x_1.clone()
        rows = [self.decode(x_1)[0], self.decode(torch.cat([z_m, z_m[:, :1]], 1))[0]]
        masks: list[torch.Tensor | None] = [batch["mask"], None]
        for seed in range(3):
            noise = draw_noise(x_1, torch.Generator().manual_seed(seed))
            known = KnownRegion(known_data, noise, box)
            x = integrate(
                lambda x, t: network(x, z_m, box, torch.full((len(x),), t)), noise, time_grid(10), known=known
            )
            rows.append(self.decode(x)[0])
            masks.append(torch.sigmoid(self._refine(network, x)))
        titles = ["scan, contour", "condition", "seed 0", "seed 1", "seed 2"]
        save_slices([self.scale.to_suv(r) for r in rows], titles, path, masks)

    def bundle(self, network: nn.Module, name: str) -> ModelBundle:
        """Returns the trained networks as a bundle, with metadata from the settings and the names of the cases.

        Args:
            network: trained networks, from ``build_network``.
            name: name of the bundle.
        """
        split = {
            "training": [c.name for c in self.training],
            "validation": [c.name for c in self.validation],
            "patient_pattern": self.run.data.patient_pattern,
        }
        return ModelBundle(
            name=name, version=self.run.version, vae=self.vae,
            vector_field=network.vector_field, mask_refiner=network.mask_refiner,  # type: ignore[arg-type]
            network_arguments=self.arguments, scale=self.scale, patch=self.patch,
            latent_mean=self.mean, latent_deviation=self.deviation, notes={**self.run.notes, "cases": split},
            sampling=self.run.sampling, uptake=self.run.uptake, fill=self.run.fill, noise=self.run.noise,
            variant=self.variant,
        )  # fmt: skip


def draw_noise(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draws normal noise on the CPU, so that devices agree."""
    return torch.randn(like.shape, generator=generator).to(like.device)


def _but_embedding(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name != "control_embedding"}
