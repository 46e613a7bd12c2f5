"""The networks on a device: batches, and the fallbacks if memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from TumorGenCore import Box, CancelledError, InvalidBoxError, TumorGenerator, TumorRequest
from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.insertion.engine import Engine, Grown
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.method import devices as devices_module
from TumorGenCore.method.controls import TumorControls
from TumorGenCore.method.devices import autocast, is_out_of_memory, low_precision, to_cpu, to_device
from TumorGenCore.method.schedule import Sampling

CPU, CARD = torch.device("cpu"), torch.device("meta")
EDGE = 32


class OnACard(Engine):
    """An engine that treats ``meta`` as a graphics card. Its networks stay on the device of their weights."""

    def move(self, device: torch.device) -> None:
        super().move(device)
        self.places = [*getattr(self, "places", []), device.type]

    def networks(self) -> tuple[nn.Module, ...]:
        return ()


class Limited(nn.Module):
    """A network in a memory that holds only some tumors."""

    def __init__(self, network: nn.Module, most: dict[str, int], message: str | None = None) -> None:
        super().__init__()
        self.network, self.most, self.message = network, most, message
        self.batches: list[tuple[str, int]] = []

    def __getattr__(self, name: str):  # all other attributes of the network
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("network"), name)

    def forward(self, x: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        self._require(x)
        return self.network(x, *others)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        self._require(x)
        return self.network.encode(x)

    def decode_with_features(self, z: torch.Tensor) -> tuple:
        self._require(z)
        return self.network.decode_with_features(z)

    def _require(self, x: torch.Tensor) -> None:
        self.batches.append((x.device.type, len(x)))
        if len(x) > self.most.get(x.device.type, 99):
            raise RuntimeError(self.message) if self.message else torch.cuda.OutOfMemoryError("CUDA out of memory.")


@pytest.fixture
def bundle(tiny_bundle_folder: Path):
    return load_bundle(tiny_bundle_folder)


def encoded(engine: Engine, seed: int = 0):
    rng = np.random.default_rng(seed)
    suv = rng.gamma(4.0, 0.25, (EDGE,) * 3).astype(np.float32)
    inside = np.zeros_like(suv)
    inside[8:24, 8:24, 8:24] = 1
    return engine.encode(suv, inside, inside[::4, ::4, ::4].copy(), {})


def grow(engine: Engine, box, seeds, on_step: Callable[[int], None] = lambda done: None) -> tuple[list[Grown], tuple]:
    sampled, notices = engine.sample(box, [(seed, TumorControls()) for seed in seeds], Sampling(2), on_step)
    grown, more = zip(*(engine.decode(one, box, {}) for one in sampled), strict=True)
    return list(grown), tuple(dict.fromkeys([*notices, *(line for lines in more for line in lines)]))


def near(ours: list[Grown], theirs: list[Grown]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        for name in ("synthetic_suv", "probability"):
            one, other = getattr(a, name), getattr(b, name)
            assert one.shape == (EDGE,) * 3
            assert np.sqrt(np.mean((one - other) ** 2)) < 0.02 * other.std(), name


@pytest.fixture
def alone(bundle) -> tuple:
    """A box, and the tumors of three seeds, each grown alone."""
    engine = Engine(bundle, CPU)
    box, notices = encoded(engine)
    assert notices == ()
    return box, [grow(engine, box, [seed])[0][0] for seed in (5, 6, 7)]


def test_a_tumor_does_not_depend_on_the_others_of_its_batch(bundle, alone) -> None:
    box, tumors = alone
    field = bundle.vector_field = Limited(bundle.vector_field, {})
    grown, notices = grow(Engine(bundle, CPU), box, [5, 6, 7])
    assert {batch for _, batch in field.batches} == {3}  # all in one
    assert notices == ()
    near(grown, tumors)
    assert not np.allclose(grown[0].probability, grown[1].probability)


@pytest.mark.parametrize("mask_noise", [1.0, 0.3])
def test_the_masks_noise_is_as_strong_as_asked_and_that_of_the_latents_stays(bundle, mask_noise: float) -> None:
    engine = Engine(bundle, CPU)
    box, _ = encoded(engine)
    seen: list[torch.Tensor] = []
    bundle.vector_field.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].clone()))
    engine.sample(box, [(5, TumorControls())], Sampling(2, mask_noise=mask_noise), lambda done: None)
    start = seen[0][0]
    assert start[-1].std().item() == pytest.approx(mask_noise, rel=0.1)
    assert start[:-1].std().item() == pytest.approx(1.0, rel=0.1)


def test_large_boxes_are_grown_in_several_batches(bundle, alone, monkeypatch: pytest.MonkeyPatch) -> None:
    box, tumors = alone
    monkeypatch.setattr("TumorGenCore.insertion.engine.SAMPLED_CELLS", 2 * box.z_1[0, 0].numel())
    field = bundle.vector_field = Limited(bundle.vector_field, {})
    grown, notices = grow(Engine(bundle, CPU), box, [5, 6, 7])
    assert [batch for _, batch in field.batches] == [2, 2, 1, 1]
    assert notices == ()
    near(grown, tumors)


def test_steps_are_told_over_all_batches(bundle, alone, monkeypatch: pytest.MonkeyPatch) -> None:
    box, _ = alone
    monkeypatch.setattr("TumorGenCore.insertion.engine.SAMPLED_CELLS", 2 * box.z_1[0, 0].numel())
    told: list[int] = []
    grow(Engine(bundle, CPU), box, [5, 6, 7], told.append)
    assert told == [2, 4, 5, 6]


def test_too_many_at_once_are_made_fewer_at_a_time(bundle, alone) -> None:
    box, tumors = alone
    network = bundle.vector_field = Limited(bundle.vector_field, {"cpu": 1})
    grown, notices = grow(Engine(bundle, CPU), box, [5, 6, 7])
    assert notices == ("Memory was too small for 3 tumors at once; 1 are made at a time.",)
    assert [batch for _, batch in network.batches if batch > 1] == [3]
    near(grown, tumors)


def test_what_does_not_fit_the_card_at_all_is_made_on_the_processor(bundle, alone) -> None:
    box, tumors = alone
    for name in ("vector_field", "vae", "mask_refiner"):
        setattr(bundle, name, Limited(getattr(bundle, name), {"meta": 0}))
    engine = OnACard(bundle, CARD)
    grown, notices = grow(engine, box, [5, 6, 7])
    assert "The memory of meta was too small for the box, so the processor computed it." in notices
    assert engine.device == CARD  # the next box tries the card again
    assert engine.places[:3] == ["meta", "cpu", "meta"]
    near(grown, tumors)


def test_a_patch_too_large_for_the_card_is_encoded_on_the_processor(bundle, alone) -> None:
    box, _ = alone
    bundle.vae = Limited(bundle.vae, {"meta": 0})
    engine = OnACard(bundle, CARD)
    on_cpu, notices = encoded(engine)
    assert notices == ("The memory of meta was too small for the box, so the processor computed it.",)
    assert engine.device == CARD
    assert torch.equal(on_cpu.z_1, box.z_1)
    assert torch.equal(on_cpu.original_suv, box.original_suv)


def test_what_does_not_fit_the_computer_is_refused_with_what_to_do(bundle, alone) -> None:
    bundle.vector_field = Limited(bundle.vector_field, {"cpu": 0}, "DefaultCPUAllocator: can't allocate memory: ...")
    with pytest.raises(InvalidBoxError, match="too little free memory for the box; draw a smaller box"):
        grow(Engine(bundle, CPU), alone[0], [5, 6, 7])


def test_other_errors_are_not_taken_for_a_lack_of_memory(bundle, alone) -> None:
    field = bundle.vector_field = Limited(bundle.vector_field, {"cpu": 0}, "mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        grow(Engine(bundle, CPU), alone[0], [5, 6])
    assert len(field.batches) == 1


def test_a_cancelled_run_is_not_tried_again(bundle, alone) -> None:
    field = bundle.vector_field = Limited(bundle.vector_field, {})

    def cancel(done: int) -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        grow(Engine(bundle, CPU), alone[0], [5, 6], cancel)
    assert len(field.batches) == 1


def test_a_lack_of_memory_is_known_by_type_and_by_words() -> None:
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_pytorchs_own_lack_of_memory_is_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)


def test_everything_of_a_box_goes_to_the_device_it_is_computed_on(alone) -> None:
    box, _ = alone
    moved = box.on(CARD)
    assert {t.device.type for t in (moved.z_1, moved.z_m, moved.box_latent, moved.original_suv)} == {"meta"}
    assert moved.z_1.shape == box.z_1.shape


def test_networks_and_scale_are_placed_on_the_device(bundle) -> None:
    engine = Engine(bundle, CARD)
    for network in (bundle.vae, bundle.vector_field, bundle.mask_refiner):
        assert {p.device.type for p in network.parameters()} == {"meta"}
    assert engine.latent_mean.device == engine.latent_deviation.device == CARD
    x = torch.zeros(2, 5, 8, 8, 8, device=CARD)
    made = bundle.vector_field(x, x[:, :4], x[:, :1], torch.zeros(1, device=CARD))
    assert (made.device, made.shape) == (CARD, x.shape)


class FakeCuda:
    """The parts of a CUDA tensor that the transfers need."""

    def __init__(self) -> None:
        self.device, self.calls = CPU, []

    def pin_memory(self) -> FakeCuda:
        self.calls.append("pin")
        return self

    def to(self, device: torch.device, non_blocking: bool = False) -> FakeCuda:
        self.calls.append((device.type, non_blocking))
        return self


def test_transfers_to_cuda_are_pinned_and_others_plain() -> None:
    fake = FakeCuda()
    to_device(fake, torch.device("cuda"))  # type: ignore[arg-type]
    assert fake.calls == ["pin", ("cuda", True)]
    x = torch.ones(3)
    assert to_device(x, CARD).device == CARD
    assert to_device(x, CPU) is x
    assert to_cpu(x) is x


@pytest.mark.parametrize(
    ("kind", "bfloat16", "available", "expected"),
    [
        ("cuda", True, True, torch.bfloat16),
        ("cuda", False, True, torch.float16),
        ("mps", False, True, torch.float16),
        ("mps", False, False, None),
        ("cpu", True, True, torch.bfloat16),
        ("cpu", False, True, None),
    ],
)
def test_the_precision_is_the_devices_own(
    monkeypatch: pytest.MonkeyPatch, kind: str, bfloat16: bool, available: bool, expected: torch.dtype | None
) -> None:
    monkeypatch.setattr(devices_module, "computes_bfloat16", lambda device: bfloat16)
    monkeypatch.setattr(torch.amp, "is_autocast_available", lambda name: available)
    assert low_precision(torch.device(kind)) == expected


def test_the_processors_autocast_is_bfloat16_or_nothing() -> None:
    with autocast(CPU):
        enabled = torch.is_autocast_enabled("cpu")
        assert enabled == (low_precision(CPU) is not None)
        assert not enabled or torch.get_autocast_dtype("cpu") == torch.bfloat16


@torch.inference_mode()
def test_float16_of_graphics_cards_is_near_to_float32(bundle) -> None:
    """Runs on the processor, because the test checks numbers and not speed."""
    z = torch.randn(1, 4, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    x = torch.cat([z, z[:, :1].clamp(-1, 1)], dim=1)

    def made() -> list[torch.Tensor]:
        decoded, features = bundle.vae.decode_with_features(z)
        velocity = bundle.vector_field(x, z, z[:, :1], torch.tensor([0.5]))
        return [decoded, velocity, bundle.mask_refiner(x[:, -1:], features)]

    exact = made()
    with torch.autocast("cpu", torch.float16):
        low = made()
    for ours, theirs in zip(low, exact, strict=True):
        assert (ours.float() - theirs).square().mean().sqrt() < 0.02 * theirs.std()


@pytest.fixture
def volume() -> sitk.Image:
    values = np.random.default_rng(0).gamma(4.0, 0.25, (20, 20, 20)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((4.0, 4.0, 4.0))
    return image


BOX = Box((38.0, 38.0, 38.0), (30.0, 30.0, 30.0))


@pytest.fixture
def card(tiny_bundle_folder: Path) -> Iterator[TumorGenerator]:
    """A generator whose graphics card has no memory."""
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    for name in ("vae", "vector_field", "mask_refiner"):
        setattr(generator.bundle, name, Limited(getattr(generator.bundle, name), {"meta": 0}))
    generator.engine = OnACard(generator.bundle, CARD)
    return generator


def test_the_user_is_told_in_the_results_warnings(card: TumorGenerator, volume: sitk.Image) -> None:
    result: Tumor = card.insert(volume, BOX, TumorRequest(steps=2), seed=3, suv_factor=1)
    notices = [line for line in result.warnings if "too small" in line]
    assert notices == ["The memory of meta was too small for the box, so the processor computed it."]
    card.engine = Engine(card.bundle, CPU)
    same = card.insert(volume, BOX, TumorRequest(steps=2), seed=3, suv_factor=1)
    np.testing.assert_array_equal(*(sitk.GetArrayViewFromImage(r.image) for r in (result, same)))
    assert not any("too small" in line for line in same.warnings)


def test_a_model_is_warmed_up_on_the_smallest_patch(tiny_bundle_folder: Path, monkeypatch) -> None:
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    seen: list[tuple[int, ...]] = []
    encode = generator.bundle.vae.encode
    monkeypatch.setattr(generator.bundle.vae, "encode", lambda x: seen.append(tuple(x.shape)) or encode(x))
    generator.warm_up()
    edge = generator.bundle.patch.multiple
    assert len(seen) == 2  # the patch and the condition
    assert all(edges == (1, 1, *(edges[-1],) * 3) and edges[-1] <= 2 * edge for edges in seen)
