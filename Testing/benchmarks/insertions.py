"""TumorGen's lines of the benchmark: the whole insertion, its parts, and all variants of the request."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
import SimpleITK as sitk
import torch
from measuring import Row, Work, count_gflop, in_turn, measure, row_of

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.insertion.prepared import PreparedBox
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.method.devices import low_precision
from TumorGenCore.method.solver_names import Solver
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume
from TumorGenCore.volumes.write import write_segmentation, write_volume

WHOLE_BODY = Grid((168, 168, 545), (3.39, 3.39, 2.03))
PATCHES = {"32x32x32": (32,) * 3, "64x64x64": (64,) * 3, "96x96x96": (96,) * 3, "128x128x64": (128, 128, 64)}
STEPS = 10
#: Parts of one insertion in their order.
PARTS = ("check", "sample", "encode", "decode original", "steps", "each step", "decode", "refine", "paste")
#: The result computes these when a caller reads them.
ON_WHOLE_GRID = ("image", "mask")

WHOLE = f"whole insertion, {STEPS} steps"
WHOLE_ADAMS = "whole insertion, 4 Adams steps"
NUMBER_OF_STEPS = "64x64x64, number of steps"
VARIANTS = "{}, variants"
PRECISIONS = "{}, threads and precision"
VOLUMES = "whole body and crop, box of {}"
FILES = "files of a whole body"


def inserted(
    generator: TumorGenerator, volume: PetVolume, box: Box, steps: int = STEPS, solver: Solver = "euler"
) -> Tumor:
    """Inserts a tumor, and computes its image and mask as every caller needs them."""
    return made(generator.insert(volume, box, TumorRequest(steps=steps, solver=solver)))


def made(result: Tumor) -> Tumor:
    """Makes the result compute its image and mask, and returns it."""
    assert result.image is not None and result.mask is not None
    return result


def patch_rows(
    generator: TumorGenerator, volume: PetVolume, name: str, size: tuple[int, ...], best: float, repeats: int
) -> Iterator[Row]:
    """The whole insertion in one size of patch, its parts, and the whole with 4 Adams steps; ``best`` in GFLOP/s."""
    box = box_for(generator, size)
    work = gflop_of_parts(generator, generator.prepare(volume, box))
    parts: list[dict[str, list[float]]] = []

    def insert() -> None:
        parts.append(_insertion_in_parts(generator, volume, box))

    yield measure(WHOLE, name, insert, repeats, sum(work.values()), best)
    of_each = {"each step": work["steps"] / STEPS}
    for part in (*PARTS, *ON_WHOLE_GRID):
        times = [seconds for one in parts[1:] for seconds in one[part]]
        yield row_of(f"parts of {name}", part, times, work.get(part, of_each.get(part)), best)
    yield measure(WHOLE_ADAMS, name, partial(inserted, generator, volume, box, 4, "adams"), repeats)


def _insertion_in_parts(generator: TumorGenerator, volume: PetVolume, box: Box) -> dict[str, list[float]]:
    clock: list[float] = []
    result = generator.insert(
        volume, box, TumorRequest(steps=STEPS), on_progress=lambda *_: clock.append(time.perf_counter())
    )
    seconds = {part: [taken] for part, taken in result.seconds.items()}
    seconds["each step"] = [after - before for before, after in pairwise(clock[: STEPS + 1])]
    for part in ON_WHOLE_GRID:
        start = time.perf_counter()
        getattr(result, part)
        seconds[part] = [time.perf_counter() - start]
    return seconds


def gflop_of_parts(generator: TumorGenerator, prepared: PreparedBox) -> dict[str, float]:
    """Counts the GFLOP of each part that runs networks."""
    bundle = generator.bundle
    vae, field, refiner = (
        copy.deepcopy(network).to("meta") for network in (bundle.vae, bundle.vector_field, bundle.mask_refiner)
    )
    z, box = (t.to("meta") for t in (prepared.encoded.z_1, prepared.encoded.box_latent))
    voxels = torch.zeros(1, 1, *(vae.factor * n for n in z.shape[2:]), device="meta")
    x, t = torch.cat([z, z[:, :1]], dim=1), torch.zeros(1, device="meta")
    with torch.inference_mode():
        features = vae.decode_with_features(z)[1]
        decode = count_gflop(lambda: vae.decode(z))
        return {
            "encode": 2 * count_gflop(lambda: vae.encode(voxels)),
            "decode original": decode,
            "steps": STEPS * count_gflop(lambda: field(x, z, box, t)),
            "decode": decode,
            "refine": count_gflop(lambda: refiner(z[:, :1], features)),
        }


def step_rows(generator: TumorGenerator, volume: PetVolume, repeats: int) -> Iterator[Row]:
    """1, 4, 10 and 50 Euler steps, and 4 Adams steps."""
    box = box_for(generator, PATCHES["64x64x64"])
    works = {f"{n} steps": partial(inserted, generator, volume, box, n) for n in (1, 4, 10, 50)}
    works["4 steps, Adams"] = partial(inserted, generator, volume, box, 4, "adams")
    yield from _rows(NUMBER_OF_STEPS, works, repeats)


def variant_rows(
    generator: TumorGenerator, volume: PetVolume, name: str, counts: tuple[int, ...], repeats: int
) -> Iterator[Row]:
    """Several variants of one box: at once, one by one, and each with a new preparation of the box."""
    box = box_for(generator, PATCHES[name])

    def at_once(count: int) -> None:
        for result in generator.generate_many(
            generator.prepare(volume, box), TumorRequest(steps=STEPS), seeds=range(count)
        ):
            made(result)

    def one_by_one(count: int) -> None:
        prepared = generator.prepare(volume, box)
        for seed in range(count):
            made(generator.generate(prepared, TumorRequest(steps=STEPS), seed=seed))

    def anew(count: int) -> None:
        for seed in range(count):
            made(generator.insert(volume, box, TumorRequest(steps=STEPS), seed=seed))

    ways = {"at once": at_once, "one by one": one_by_one, "each from the start": anew}
    for count in counts:
        yield from _rows(
            VARIANTS.format(name), {f"{count} {how}": partial(way, count) for how, way in ways.items()}, repeats
        )


def precision_rows(generator: TumorGenerator, volume: PetVolume, name: str, repeats: int) -> Iterator[Row]:
    """One thread and all threads, in each precision."""
    box = box_for(generator, PATCHES[name])
    for threads in sorted({1, torch.get_num_threads()}):
        for precision, context in precisions(generator.device).items():
            with _threads(threads), context():
                line = f"{threads} threads, {precision}"
                yield measure(PRECISIONS.format(name), line, partial(inserted, generator, volume, box), repeats)


def whole_body_rows(generator: TumorGenerator, volume: PetVolume, name: str, repeats: int) -> Iterator[Row]:
    """The same box in a whole body and in a crop of it."""
    box = box_for(generator, PATCHES[name])
    start, stop = box.index_bounds(Grid.from_image(volume.image), margin_voxels=20)
    crop = PetVolume(sitk.RegionOfInterest(volume.image, (stop - start).tolist(), start.tolist()), volume.units)

    def with_all(image: PetVolume) -> None:
        result = inserted(generator, image, box)
        assert result.provenance and result.mask_probability is not None

    works: dict[str, Work] = {}
    for which, image in {"whole body": volume, "crop": crop}.items():
        works[f"{which}, image and mask"] = partial(inserted, generator, image, box)
        works[f"{which}, with soft mask and hash"] = partial(with_all, image)
    yield from _rows(VOLUMES.format(name), works, repeats)


def file_rows(generator: TumorGenerator, volume: PetVolume, repeats: int) -> Iterator[Row]:
    """Reading and writing of images and masks."""
    result = inserted(generator, volume, box_for(generator, PATCHES["32x32x32"]))
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".nrrd", ".nii.gz", ".mha"):
            path = Path(folder) / f"image{suffix}"
            works = {
                f"write image {suffix}": partial(write_volume, result.image, path, result.provenance),
                f"read {suffix}": partial(read_volume, path, 1.0),
            }
            yield from _rows(FILES, works, repeats)
        mask = Path(folder) / "mask.seg.nrrd"
        yield measure(FILES, "write mask .seg.nrrd", partial(write_segmentation, result.mask, mask), repeats)


def box_for(generator: TumorGenerator, size: tuple[int, ...]) -> Box:
    """Returns the largest box in the middle of the whole body whose working patch has the given size."""
    settings = generator.bundle.patch
    i, j, k = (n * settings.spacing_mm - 2 * settings.context_mm for n in size)
    x, y, z = WHOLE_BODY.index_to_lps(np.asarray(WHOLE_BODY.size_ijk) / 2)
    return Box((float(x), float(y), float(z)), (i, j, k))


def whole_body() -> PetVolume:
    """Returns a scan in SUV: noisy tissue of SUV 1 in an elliptic cylinder, with air around it."""
    suv = np.random.default_rng(0).standard_gamma(4.0, WHOLE_BODY.size_ijk[::-1], dtype=np.float32) / 4
    across, along = (np.linspace(-1, 1, n) for n in WHOLE_BODY.size_ijk[:2])
    suv[:, (across / 0.75) ** 2 + (along[:, None] / 0.55) ** 2 > 1] = 0
    return PetVolume(WHOLE_BODY.image_from_array(suv), PetUnits("SUV", 1.0, "given"))


def precisions(device: torch.device) -> dict[str, Callable[[], AbstractContextManager]]:
    """Contexts by the precision that the generator uses in them: the device's own, if it has one, and float32."""
    own = low_precision(device)
    return {**({} if own is None else {str(own).removeprefix("torch."): nullcontext}), "float32": _in_float32}


def _rows(section: str, works: Mapping[str, Work], repeats: int) -> Iterator[Row]:
    for name, times in in_turn(works, repeats).items():
        yield row_of(section, name, times)


def _in_float32() -> AbstractContextManager:
    """Patches the generator, which chooses its precision itself and has no setting for it."""
    return patch("TumorGenCore.insertion.engine.autocast", lambda _: nullcontext())


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads(), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    torch.set_num_threads(count)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before[1])
