"""`tumorgen train generator`: SC-VFE and VMR together (Eq. 7) on cached latents of a frozen VAE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch import nn

from TumorGenCore.bundle.model_bundle import ModelBundle, load_bundle, save_bundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method import losses
from TumorGenCore.method.controls import CONTROL_CHANNELS
from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.method.devices import channels_last
from TumorGenCore.method.mask_refiner import MaskRefiner
from TumorGenCore.method.schedule import time_grid
from TumorGenCore.method.solver import KnownRegion, integrate
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.method.vector_field import VectorField
from TumorGenCore.training.config import AutoencoderRun, GeneratorRun, write_config
from TumorGenCore.training.data.cases import Case, load_cases, split_patients
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.data.latents import LatentCache
from TumorGenCore.training.data.lesion_thumbnails import describe_training_lesions
from TumorGenCore.training.data.misplaced_mask import misplaced
from TumorGenCore.training.loop.checkpoint import refuse_to_mix
from TumorGenCore.training.loop.pictures import save_slices
from TumorGenCore.training.loop.trainer import train
from TumorGenCore.training.stages.autoencoder import load_autoencoder, vae_arguments
from TumorGenCore.training.stages.blur import measure_blur

__all__ = ["GeneratorStage", "train_generator"]

_CONFIG = "generator.json"


class _Networks(nn.Module):
    """The two networks that Eq. 7 trains, under one optimizer."""

    def __init__(self, vector_field: VectorField, mask_refiner: MaskRefiner) -> None:
        super().__init__()
        self.vector_field = vector_field
        self.mask_refiner = mask_refiner

    def forward(
        self,
        x_t: torch.Tensor,
        z_m: torch.Tensor,
        box: torch.Tensor,
        t: torch.Tensor,
        controls: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The vector field; the refiner is called by the stage, on fewer examples."""
        velocity: torch.Tensor = self.vector_field(x_t, z_m, box, t, controls)
        return velocity


class GeneratorStage:
    """Eq. 7 on batches of one patch size each."""

    def __init__(
        self,
        run: GeneratorRun,
        vae: PetVAE,
        vae_run: AutoencoderRun,
        training: Sequence[Case],
        validation: Sequence[Case],
        cache: Path,
        quiet: bool,
    ) -> None:
        self.run, self.scale, self.patch = run, vae_run.scale, vae_run.patch
        self.vae = channels_last(use_onednn(vae))
        torch.manual_seed(run.loop.seed)
        channels, scales = vae.feature_layout()
        self.arguments = {
            "vae": vae_arguments(vae_run),
            "vector_field": {
                "latent_channels": vae.latent_channels,
                "channels": run.channels,
                "num_res_blocks": run.num_res_blocks,
                "attention_levels": run.attention_levels,
                "num_head_channels": run.num_head_channels,
                "norm_num_groups": run.norm_num_groups,
                "control_channels": CONTROL_CHANNELS if run.controlled else 0,
                "control_embedding": run.controlled,
                # Named only where it is off: bundles from before it was a choice stay the same networks.
                **({} if run.box_channel else {"box_channel": False}),
            },
            "mask_refiner": {
                "feature_channels": channels,
                "feature_scales": scales,
                "channels": run.refiner_channels,
                "norm_num_groups": run.norm_num_groups,
                "factor": vae.factor,
            },
        }
        networks = _Networks(
            VectorField(**self.arguments["vector_field"]),  # type: ignore[arg-type]
            MaskRefiner(**self.arguments["mask_refiner"]),  # type: ignore[arg-type]
        )
        networks.vector_field.requires_grad_(not run.refiner_only)
        self.network: nn.Module = channels_last(use_onednn(networks))
        maker = ExampleMaker(training, vae_run.patch, run.offsets, run.examples, run.loop.seed)
        self.caches = {
            int(size): LatentCache.build(
                cache / f"training-{size}.safetensors",
                vae,
                self.scale,
                maker,
                int(size),
                int(count),
                run.condition,
                quiet,
            )
            for size, (count, _, _) in run.buckets.items()
        }
        self.sizes = sorted(self.caches)
        middle = self.caches[self.sizes[len(self.sizes) // 2]]
        self.mean, self.deviation = middle.statistics()
        self.held_out: LatentCache | None = None
        if validation:
            maker = ExampleMaker(validation, vae_run.patch, run.offsets, run.examples, run.loop.seed + 1)
            self.held_out = LatentCache.build(
                cache / "validation.safetensors", vae, self.scale, maker, self.sizes[len(self.sizes) // 2],
                run.validation_examples, run.condition, quiet,
            )  # fmt: skip

    def start_from(self, bundle: ModelBundle) -> None:
        """Take over a bundle's networks, and the scale of their latents.

        Raises:
            TrainingDataError: they have other shapes than this run's.
        """
        for part in ("vector_field", "mask_refiner"):
            # An embedding of the controls that the bundle lacks starts at zero, and changes nothing at first.
            theirs, ours = (_but_embedding(a[part]) for a in (bundle.network_arguments, self.arguments))
            if theirs != ours:
                if part == "mask_refiner" and self.run.refiner_only:
                    continue  # It is trained anyway, and from the beginning then.
                raise TrainingDataError(
                    f"The {part} of {bundle.name} has other shapes than this run's; give the configuration its shapes, "
                    "or train from the beginning."
                )
            state = getattr(self.network, part).state_dict() | getattr(bundle, part).state_dict()
            getattr(self.network, part).load_state_dict(state)
        self.mean, self.deviation = bundle.latent_mean, bundle.latent_deviation  # The scale that they know.

    def batch(self, step: int, process: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([self.run.loop.seed, 3, step, process])
        shares = np.array([self.run.buckets[str(size)][2] for size in self.sizes])
        size = self.sizes[rng.choice(len(self.sizes), p=shares / shares.sum())]
        cache = self.caches[size]
        indices = rng.integers(len(cache), size=int(self.run.buckets[str(size)][1])).tolist()
        return self._normalized(cache, indices)

    def loss(
        self, network: nn.Module, batch: dict[str, torch.Tensor], generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        x_1, z_m, box = batch["x_1"], batch["z_m"], batch["box"]
        if self.run.refiner_only:
            rec = self._mask_loss(network, self._misplaced(x_1, generator), batch["mask"])
            return rec, {"rec": float(rec.detach())}
        noise = _noise(x_1, generator)
        t = self._times(len(x_1), generator).to(x_1.device)
        at = t.reshape(-1, 1, 1, 1, 1)
        x_t = (1 - at) * noise + at * x_1
        velocity = network(x_t, z_m, box, t, self._heard(batch["controls"], generator)).float()
        x_hat = losses.data_estimate(x_t, velocity, t)
        z_1, m_1 = x_1[:, :-1], (x_1[:, -1:] + 1) / 2
        z_hat, m_hat = x_hat[:, :-1], ((x_hat[:, -1:] + 1) / 2).clamp(0, 1)
        # Outside the box x is known in use, so errors there cost less.
        weight = 1 + (self.run.box_weight - 1) * box + self.run.tumor_weight * m_1
        rfm = losses.rectified_flow_loss(velocity, x_1, noise, weight)
        coarse = losses.coarse_loss(z_hat, z_1, box, t)
        fine = losses.fine_loss(z_hat, m_hat, z_1, m_1, box, t)
        rec = self._refiner_loss(network, batch, x_hat.detach(), t, generator)
        total = losses.total_loss(rfm, coarse, fine, rec, self.run.lambda_1, self.run.lambda_2, self.run.lambda_3)
        parts = {"rfm": rfm, "coarse": coarse, "fine": fine, "rec": rec}
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def _heard(self, controls: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The controls that the network hears: some examples have none, others lack one."""
        count = controls.shape
        some = torch.rand(count[0], 1, generator=generator) >= self.run.uncontrolled_share
        each = torch.rand(count, generator=generator) >= self.run.control_dropout
        return controls * (some & each).to(controls.device)

    def _refiner_loss(
        self,
        network: nn.Module,
        batch: dict[str, torch.Tensor],
        x_hat: torch.Tensor,
        t: torch.Tensor,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """``_mask_loss``, half on predicted latents (latest t), half on true ones with masks that are not."""
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
        """Eq. 6 with Dice and cross-entropy."""
        logits = self._refine(network, x)
        return losses.reconstruction_loss(torch.sigmoid(logits), mask) + losses.overlap_loss(logits, mask)

    def _refine(self, network: nn.Module, x: torch.Tensor) -> torch.Tensor:
        bare: Any = getattr(network, "module", network)
        with torch.no_grad():
            features = self._decode(x)[1]
        logits: torch.Tensor = bare.mask_refiner(x[:, -1:].clamp(-1, 1), features)
        return logits.float()

    def _decode(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        self.vae.to(x.device)
        mean, deviation = (v.to(x.device) for v in self._latent_scale())
        return self.vae.decode_with_features(x[:, :-1] * deviation + mean)

    def _times(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Logit-normal (Esser et al.) looks more at middle times; ``uniform`` is the paper's plain form."""
        if self.run.time_sampling == "uniform":
            return torch.rand(count, generator=generator)
        return torch.sigmoid(torch.randn(count, generator=generator))

    def _latent_scale(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(self.mean).reshape(1, -1, 1, 1, 1), torch.tensor(self.deviation).reshape(1, -1, 1, 1, 1)

    def _normalized(self, cache: LatentCache, indices: list[int]) -> dict[str, torch.Tensor]:
        return cache.batch(indices, *self._latent_scale(), self.vae.factor)

    def validate(self, network: nn.Module) -> dict[str, float]:
        if self.held_out is None:
            return {}
        batch = self._normalized(self.held_out, list(range(len(self.held_out))))
        generator = torch.Generator().manual_seed(0)
        noise = _noise(batch["x_1"], generator)
        errors: dict[str, list[torch.Tensor]] = {"rfm": [], "rfm_controlled": []}
        for t in (0.1, 0.3, 0.5, 0.7, 0.9):
            x_t = (1 - t) * noise + t * batch["x_1"]
            for name, controls in (("rfm", None), ("rfm_controlled", batch["controls"])):
                velocity = network(x_t, batch["z_m"], batch["box"], torch.full((len(noise),), t), controls)
                errors[name].append(losses.rectified_flow_loss(velocity, batch["x_1"], noise, batch["box"] + 1e-3))
        shown = {name: value[:16] for name, value in batch.items()}
        truth, dice = shown["mask"] > 0.5, {}
        for name, x in (("", shown["x_1"]), ("_misplaced", self._misplaced(shown["x_1"], generator))):
            refined = torch.sigmoid(self._refine(network, x)) > 0.5
            overlap = 2 * (refined & truth).sum() / (refined.sum() + truth.sum()).clamp_min(1)
            dice[f"refiner_dice{name}"] = float(overlap)
        return {**{name: float(torch.stack(values).mean()) for name, values in errors.items()}, **dice}

    def picture(self, network: nn.Module, path: Path) -> None:
        if self.held_out is None:
            return
        batch = self._normalized(self.held_out, list(range(min(10, len(self.held_out)))))
        x_1, z_m, box = batch["x_1"], batch["z_m"], batch["box"]
        known_data = x_1.clone()
        rows = [self._decode(x_1)[0], self._decode(torch.cat([z_m, z_m[:, :1]], 1))[0]]
        masks: list[torch.Tensor | None] = [batch["mask"], None]
        for seed in range(3):
            noise = _noise(x_1, torch.Generator().manual_seed(seed))
            known = KnownRegion(known_data, noise, box)
            x = integrate(
                lambda x, t: network(x, z_m, box, torch.full((len(x),), t)), noise, time_grid(10), known=known
            )
            rows.append(self._decode(x)[0])
            masks.append(torch.sigmoid(self._refine(network, x)))
        titles = ["scan, contour", "condition", "seed 0", "seed 1", "seed 2"]
        save_slices([self.scale.to_suv(r) for r in rows], titles, path, masks)

    def bundle(self, network: nn.Module, name: str, version: str, notes: dict[str, Any]) -> ModelBundle:
        """The trained networks as a bundle."""
        return ModelBundle(
            name=name, version=version, vae=self.vae,
            vector_field=network.vector_field, mask_refiner=network.mask_refiner,  # type: ignore[arg-type]
            network_arguments=self.arguments, scale=self.scale, patch=self.patch,
            latent_mean=self.mean, latent_deviation=self.deviation, condition=self.run.condition, notes=notes,
        )  # fmt: skip


def _but_embedding(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name != "control_embedding"}


def train_generator(
    data: Path,
    autoencoder: Path,
    output: Path,
    run: GeneratorRun,
    resume: bool = False,
    quiet: bool = False,
    name: str = "my-bundle",
    start_from: str | Path | None = None,
    cache: Path | None = None,
    cases: Sequence[Case] | None = None,
) -> Path:
    """Train SC-VFE and VMR; writes the model bundle ``output/NAME``.

    Args:
        data: folder of cases.
        autoencoder: output folder of the VAE's run, or a model bundle.
        output: where the run lives.
        run: its settings.
        resume: go on from the newest checkpoint in ``output``.
        quiet: no progress bar.
        name: of the bundle.
        start_from: bundle whose vector field and mask refiner this run starts with. Its VAE should be the one that this
            run's was trained on from, or the latents mean something else.
        cache: folder of cached latents, ``output/cache`` by default; runs whose examples are the same may share one.
        cases: those of ``data``, where they have been read already.

    Raises:
        TrainingDataError: the folder, the autoencoder or the run's settings cannot be used.
        ModelBundleError: the bundle to start from is damaged.
    """
    if run.refiner_only and start_from is None:
        raise TrainingDataError("With refiner_only the vector field is not trained; give a bundle with --start-from.")
    refuse_to_mix(output, resume)
    first = None if start_from is None else load_bundle(start_from)
    output.mkdir(parents=True, exist_ok=True)
    vae, vae_run = load_autoencoder(autoencoder)
    vae.requires_grad_(False)
    if cases is None:
        cases = load_cases(data, run.data.names, run.data.exclude_lps_mm, run.data.patient_pattern)
    training, validation = split_patients(cases, run.data.validation_share, run.data.split_seed, run.data.always_train)
    write_config(run, output / _CONFIG)
    with PartialState().main_process_first():  # One process makes the cache, the others read it.
        stage = GeneratorStage(run, vae, vae_run, training, validation, cache or output / "cache", quiet)
    if first is not None:
        stage.start_from(first)
    network = train(stage, run.loop, output, resume, quiet)
    split = {"training": [c.name for c in training], "validation": [c.name for c in validation]}
    bundle = stage.bundle(network, name, run.version, {**run.notes, "cases": split})
    bundle.sampling, bundle.uptake, bundle.fill = run.sampling, run.uptake, run.fill
    bundle.resolution = measure_blur(bundle, training).recovery
    if run.lesion_thumbnails:
        bundle.training_lesions = describe_training_lesions(training)
    save_bundle(bundle, output / name, card=f"# {name}\n\nTrained by `tumorgen train generator`.\n")
    return output / name


def _noise(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Normal noise drawn on the CPU, so that devices agree."""
    return torch.randn(like.shape, generator=generator).to(like.device)
