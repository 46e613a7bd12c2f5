"""The networks of a bundle on one device: they encode boxes, sample tumors together and decode them one by one.

If memory runs out, the engine uses smaller batches, then the CPU, and ``notices`` say so. Results are the same up to
rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.method.controls import TumorControls
from TumorGenCore.method.cpu.fused import use_fused
from TumorGenCore.method.devices import autocast, channels_last, free_memory, is_out_of_memory, to_cpu, to_device
from TumorGenCore.method.pseudo_mask import latent_condition
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.method.solver import KnownRegion, integrate

__all__ = ["EncodedBox", "Engine", "Grown", "Sampled", "timed"]

#: Largest number of latent cells in one batch; larger batches are not faster.
SAMPLED_CELLS = 2**16

Item = TypeVar("Item")
Made = TypeVar("Made")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class EncodedBox:
    """Input of the networks for a box; latents are normalized, (1, c, k, j, i).

    Args:
        z_1: latents of the patch as it is.
        z_m: latents of the patch without the box's content.
        box_latent: B, share of each latent cell that lies inside the box.
        original_suv: D(z_1) in SUV, on the patch, (1, 1, k, j, i).
    """

    z_1: torch.Tensor
    z_m: torch.Tensor
    box_latent: torch.Tensor
    original_suv: torch.Tensor

    def on(self, device: torch.device) -> EncodedBox:
        """The same tensors on a device."""
        return EncodedBox(*(to_device(t, device) for t in (self.z_1, self.z_m, self.box_latent, self.original_suv)))


@dataclass(frozen=True)
class Sampled:
    """One sampled tumor.

    Args:
        latents: x_1 = [z, m], (1, c + 1, k, j, i), z normalized.
        batch: place of the tumor in its batch, from 0, and size of the batch. With the same place and size, all bits
            are the same.
        seconds: its share of the sampling time.
    """

    latents: torch.Tensor
    batch: tuple[int, int]
    seconds: float


@dataclass(frozen=True)
class Grown:
    """One tumor on the working patch, float32 (k, j, i): I' in SUV and M' as a probability."""

    synthetic_suv: NDArray[np.float32]
    probability: NDArray[np.float32]


class Engine:
    """The networks of a bundle on a device.

    Args:
        bundle: the bundle; its networks are moved to the device.
        device: the device on which they compute.
    """

    def __init__(self, bundle: ModelBundle, device: torch.device) -> None:
        self.bundle = bundle
        for network in self.networks():
            use_fused(network)
        self.move(device)

    @torch.inference_mode()
    def encode(
        self, suv: NDArray[np.float32], inside: NDArray[np.float32], box_latent: NDArray[np.float32], seconds: dict
    ) -> tuple[EncodedBox, tuple[str, ...]]:
        """Encodes a patch and its condition, and decodes the original.

        Args:
            suv: the working patch, (k, j, i).
            inside: share of each voxel inside the box, same shape.
            box_latent: share of each latent cell inside the box, (k/4, j/4, i/4).
            seconds: the time of each part is added here.

        Returns:
            The encoded box, and notices for the user about the computation.

        Raises:
            InvalidBoxError: the computer's own memory runs out.
        """
        arrays = [torch.from_numpy(np.ascontiguousarray(a))[None, None] for a in (suv, inside, box_latent)]

        def compute() -> EncodedBox:
            on_patch, coverage, on_latent = (to_device(a, self.device) for a in arrays)
            return self._encoded(self.bundle.scale.to_network(on_patch), coverage, on_latent, seconds)

        made = self._attempt(compute)
        if made is not None:
            return made, ()
        return self._on_cpu(compute), (self._cpu_notice(),)

    @torch.inference_mode()
    def sample(
        self,
        box: EncodedBox,
        orders: Sequence[tuple[int, TumorControls]],
        sampling: Sampling,
        on_step: Callable[[int], None],
    ) -> tuple[list[Sampled], tuple[str, ...]]:
        """Samples latents and latent masks from noise, in batches as large as memory allows.

        Args:
            box: from ``encode``.
            orders: for each tumor, the seed of its noise and what the model is told. Except for rounding, a tumor does
                not depend on the others in its batch: with several threads the order of sums differs.
            sampling: steps, solver, times, and the noise of latents and mask.
            on_step: called with the number of finished steps, out of ``steps`` times the number of orders; may raise an
                error to cancel.

        Returns:
            One sample per order, in the same sequence, and notices for the user about the computation.

        Raises:
            InvalidBoxError: the computer's own memory runs out.
        """
        notices: dict[str, None] = {}
        sampled: list[Sampled] = []

        def work(some: Sequence[tuple[int, TumorControls]]) -> Sequence[Sampled]:
            def advance(step: int) -> None:
                on_step(len(sampled) * sampling.steps + len(some) * step)

            start = time.perf_counter()
            latents = self._sampled(box.on(self.device), some, sampling, advance).split(1)
            seconds = (time.perf_counter() - start) / len(some)
            return [Sampled(x, (place, len(some)), seconds) for place, x in enumerate(latents)]

        for made in self._in_batches(orders, SAMPLED_CELLS // box.z_1[0, 0].numel(), work, notices):
            sampled += made
        return sampled, tuple(notices)

    @torch.inference_mode()
    def decode(self, sampled: Sampled, box: EncodedBox, seconds: dict[str, float]) -> tuple[Grown, tuple[str, ...]]:
        """Decodes latents to I' and M'.

        Args:
            sampled: from ``sample``.
            box: the box of the tumor.
            seconds: the time of each part is added here.

        Returns:
            The tumor, and notices for the user about the computation.

        Raises:
            InvalidBoxError: the computer's own memory runs out.
        """
        notices: dict[str, None] = {}

        def work(some: Sequence[Sampled]) -> Sequence[Grown]:
            return [self._decoded(to_device(one.latents, self.device), seconds) for one in some]

        ((grown,),) = self._in_batches([sampled], 1, work, notices)
        return grown, tuple(notices)

    def condition(
        self, x: torch.Tensor, inside: torch.Tensor, z_1: torch.Tensor, box_latent: torch.Tensor
    ) -> torch.Tensor:
        """Computes z^m, what the vector field knows about the surroundings; see ``pseudo_mask.latent_condition``.

        Args:
            x: the patch on the network scale, (1, 1, k, j, i).
            inside: share of each voxel inside the box, same shape.
            z_1: latents of the patch, (1, c, k/4, j/4, i/4).
            box_latent: share of each latent cell inside the box, (1, 1, k/4, j/4, i/4).

        Returns:
            z^m, in the shape of z_1.
        """
        return latent_condition(self.bundle.vae.encode, x, inside)

    def refine(self, mask: torch.Tensor, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Computes M' as a probability, (n, 1, k, j, i) of the patch; see ``MaskRefiner``.

        Args:
            mask: m^, (n, 1, k/4, j/4, i/4), -1 to 1.
            features: features of the decoder.
        """
        return torch.sigmoid(self.bundle.mask_refiner(mask, features).float())

    def _encoded(
        self, x: torch.Tensor, inside: torch.Tensor, box_latent: torch.Tensor, seconds: dict[str, float]
    ) -> EncodedBox:
        vae, mean, deviation = self.bundle.vae, self.latent_mean, self.latent_deviation
        with autocast(self.device):
            with timed(seconds, "encode"):
                z_1 = vae.encode(x).float()
                z_m = self.condition(x, inside, z_1, box_latent).float()
            with timed(seconds, "decode original"):
                original = vae.decode(z_1).float()
        suv = self.bundle.scale.to_suv(original)
        return EncodedBox((z_1 - mean) / deviation, (z_m - mean) / deviation, box_latent, suv)

    def _sampled(
        self,
        box: EncodedBox,
        tumors: Sequence[tuple[int, TumorControls]],
        sampling: Sampling,
        on_step: Callable[[int], None],
    ) -> torch.Tensor:
        """Latents and masks x_1 = [z, m], (n, c + 1, k, j, i), with the inpainting constraint.

        Outside the box, z is known and m is -1.
        """
        z, count = box.z_1, len(tumors)
        drawn = torch.cat([_noise(seed, z) for seed, _ in tumors])
        drawn[:, :-1] *= sampling.latent_noise
        drawn[:, -1:] *= sampling.mask_noise
        noise = to_device(drawn, self.device)
        known = KnownRegion(torch.cat([z, -torch.ones_like(z[:, :1])], dim=1), noise, box.box_latent)
        z_m, on_latent = (t.expand(count, -1, -1, -1, -1) for t in (box.z_m, box.box_latent))
        scale, most_edge = self.bundle.scale, self.bundle.tuning.most_edge
        asked = torch.cat([controls.encode(scale, most_edge) for _, controls in tumors]).to(self.device)

        def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
            at = torch.full((1,), t, device=self.device)  # One time for all, so that the network embeds it once.
            return self.bundle.vector_field(x, z_m, on_latent, at, asked).float()

        with autocast(self.device):
            return integrate(velocity, noise, sampling.grid(), sampling.solver, known, on_step)

    def _decoded(self, x: torch.Tensor, seconds: dict[str, float]) -> Grown:
        """Decodes one tumor x_1 = [z, m], (1, c + 1, k, j, i)."""
        with autocast(self.device):
            with timed(seconds, "decode"):
                decoded, features = self.bundle.vae.decode_with_features(
                    x[:, :-1] * self.latent_deviation + self.latent_mean
                )
            with timed(seconds, "refine"):
                refined = self.refine(x[:, -1:].clamp(-1, 1), features)
                made = (self.bundle.scale.to_suv(decoded.float()), refined)
                suv, probability = (to_cpu(t)[0, 0].numpy() for t in made)
        return Grown(suv, probability)

    def _in_batches(
        self,
        items: Sequence[Item],
        size: int,
        work: Callable[[Sequence[Item]], Sequence[Made]],
        notices: dict[str, None],
    ) -> Iterator[Sequence[Made]]:
        """Yields the results of ``work`` for all items, in batches of ``size``; halves the size if memory runs out."""
        size, begin = max(1, size), 0
        while begin < len(items):
            batch = items[begin : begin + size]
            made = self._attempt(partial(work, batch))
            if made is None and len(batch) > 1:
                size = len(batch) // 2
                notices[f"Memory was too small for {len(batch)} tumors at once; {size} are made at a time."] = None
                continue
            if made is None:
                made = self._on_cpu(partial(work, batch))
                notices[self._cpu_notice()] = None
            yield made
            begin += len(batch)

    def _attempt(self, compute: Callable[[], Made]) -> Made | None:
        """Result of ``compute``; None if the device's memory ran out."""
        try:
            return compute()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        free_memory(self.device)  # Only now, because the error kept the tensors of its frames alive.
        return None

    def _on_cpu(self, compute: Callable[[], Made]) -> Made:
        before = self.device
        made = None
        if before != CPU:
            try:
                self.move(CPU)
                made = self._attempt(compute)
            finally:
                self.move(before)
        if made is None:
            raise InvalidBoxError(
                "This computer has too little free memory for the box; draw a smaller box or close other programs."
            )
        return made

    def _cpu_notice(self) -> str:
        return f"The memory of {self.device} was too small for the box, so the processor computed it."

    def move(self, device: torch.device) -> None:
        """Moves the networks to another device."""
        self.device = device
        for network in self.networks():
            # MPS does not have the channels-last layout.
            (network if device.type == "mps" else channels_last(network)).to(device)
        shape = (1, -1, 1, 1, 1)
        self.latent_mean = torch.tensor(self.bundle.latent_mean, device=device).reshape(shape)
        self.latent_deviation = torch.tensor(self.bundle.latent_deviation, device=device).reshape(shape)

    def networks(self) -> tuple[torch.nn.Module, ...]:
        """The networks that ``move`` moves to a device."""
        return (self.bundle.vae, self.bundle.vector_field, self.bundle.mask_refiner)


def _noise(seed: int, z: torch.Tensor) -> torch.Tensor:
    """Noise of one tumor, (1, c + 1, k, j, i); drawn on the CPU, so that it is the same for all devices."""
    return torch.randn(1, z.shape[1] + 1, *z.shape[2:], generator=torch.Generator().manual_seed(seed))


@contextmanager
def timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    """Adds the time of the block to ``seconds[part]``."""
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - start
