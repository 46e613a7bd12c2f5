"""Promises of the core, with untrained networks, which change every voxel that they may change."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from oracles import depth_inside, random_box, random_direction, random_image, voxel_centers

from TumorGenCore import Box, CancelledError, InvalidBoxError, TumorGenerator, TumorRequest, UnsupportedVolumeError
from TumorGenCore.insertion.provenance import hash_volume
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.method.solver_names import SOLVERS
from TumorGenCore.version import software_version
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume

STEPS = 2


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


def an_image(dtype: type = np.float32, seed: int = 0) -> sitk.Image:
    """16 cubed voxels of noise, oblique, 64 mm and more along each edge."""
    rng = np.random.default_rng(seed)
    image = random_image(rng, (16, 16, 16), dtype)
    image.SetSpacing((4.0, 4.5, 5.0))
    return image


def center_of(image: sitk.Image) -> np.ndarray:
    return np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))


def a_box(image: sitk.Image) -> Box:
    return Box(tuple(center_of(image)), (34, 30, 38), random_direction(np.random.default_rng(1)))


def bits(image: sitk.Image) -> np.ndarray:
    """The voxels as unsigned integers, so that equal means bit for bit equal."""
    values = sitk.GetArrayFromImage(image)
    return values.view(f"u{values.dtype.itemsize}")


def values(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def assert_same_result(a: Tumor, b: Tumor) -> None:
    for name in ("image", "mask", "mask_probability"):
        np.testing.assert_array_equal(bits(getattr(a, name)), bits(getattr(b, name)), err_msg=name)


def assert_same_grid(image: sitk.Image, like: sitk.Image) -> None:
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(image, get)() == getattr(like, get)(), get


@pytest.mark.parametrize(
    ("dtype", "factor"), [(np.float32, 1.0), (np.float64, 1.0), (np.int16, 1e-3), (np.uint16, 1e-3)]
)
def test_outside_the_box_nothing_changes(generator: TumorGenerator, dtype: type, factor: float) -> None:
    changed = 0
    for case in range(50):
        rng = np.random.default_rng([case, np.dtype(dtype).num])
        i, j, k = (int(n) for n in rng.integers(3, 12, 3))
        image = random_image(rng, (i, j, k), dtype)
        if np.issubdtype(dtype, np.signedinteger):
            image = image - 200  # some reconstructions have negative voxels
        points = voxel_centers(image)
        # Around a random voxel: near the edges the box reaches past the volume.
        box = random_box(rng, points[tuple(rng.integers(0, (k, j, i)))], least_mm=11, most_mm=60)
        outside = depth_inside(points, box) < -1e-9
        result = generator.insert(image, box, TumorRequest(steps=1), seed=case, suv_factor=factor)
        assert result.image.GetPixelID() == image.GetPixelID()
        assert result.mask.GetPixelID() == sitk.sitkUInt8
        assert result.mask_probability.GetPixelID() == sitk.sitkFloat32
        for part in (result.image, result.mask, result.mask_probability):
            assert_same_grid(part, image)
        np.testing.assert_array_equal(bits(result.image)[outside], bits(image)[outside])
        assert not values(result.mask)[outside].any()
        assert not values(result.mask_probability)[outside].any()
        assert set(np.unique(values(result.mask))) <= {0, 1}
        changed += not np.array_equal(values(result.image), values(image))
    assert changed > 45  # a box at a corner of the volume may hold only a voxel beside its face


def test_large_integers_outside_the_box_keep_every_bit(generator: TumorGenerator) -> None:
    image = sitk.Cast(an_image(np.uint16), sitk.sitkInt64)
    image[0, 0, 0] = 2**53 + 1  # not exact in float64
    image[15, 15, 15] = -(2**53) - 1
    result = generator.insert(image, a_box(image), TumorRequest(steps=STEPS), suv_factor=0.001)
    outside = depth_inside(voxel_centers(image), a_box(image)) < -1e-9
    np.testing.assert_array_equal(values(result.image)[outside], values(image)[outside])
    assert not np.array_equal(values(result.image), values(image))


def test_deep_inside_the_box_every_voxel_changes_and_is_marked_softly(generator: TumorGenerator) -> None:
    image = an_image() + 20.0
    box = a_box(image)
    result = generator.insert(image, box, TumorRequest(steps=STEPS), seed=1, suv_factor=1)
    deep = depth_inside(voxel_centers(image), box) > 3
    assert np.all(values(result.image)[deep] != values(image)[deep])
    assert np.all(values(result.mask_probability)[deep] > 0)
    assert values(result.mask).any()
    marked = values(result.mask) == 1
    assert np.all(values(result.mask_probability)[marked] > 0.5)


def test_a_volume_never_falls_below_zero_unless_it_was(generator: TumorGenerator) -> None:
    fell = 0
    for seed in range(5):
        image = an_image(seed=seed) * 0.05
        image[8, 8, 8] = -0.25
        before, after = (
            values(i) for i in (image, generator.insert(image, a_box(image), seed=seed, suv_factor=1).image)
        )
        assert np.all(after >= np.minimum(before, 0))
        fell += np.sum((after < before) & (before > 0))
    assert fell > 0  # otherwise no uptake ever fell


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_same_seed_gives_the_same_tumor_and_another_seed_another(generator: TumorGenerator, solver: str) -> None:
    image = an_image()
    first, second, other = (
        generator.insert(image, a_box(image), TumorRequest(steps=STEPS, solver=solver), seed=seed, suv_factor=1)  # type: ignore[arg-type]
        for seed in (7, 7, 8)
    )
    assert_same_result(first, second)
    assert not np.array_equal(values(first.image), values(other.image))
    assert not np.array_equal(values(first.mask_probability), values(other.mask_probability))


def test_one_seed_gives_another_tumor_at_another_site_and_the_same_where_the_box_is_nudged(
    generator: TumorGenerator,
) -> None:
    """Uses a uniform volume, so that only the noise can differ."""
    image = sitk.Image([60, 30, 30], sitk.sitkFloat32) + 1.0
    image.SetSpacing((4.0, 4.0, 4.0))

    def change_at(x: float, seed: int = 5) -> np.ndarray:
        box = Box((x, 60.0, 60.0), (32, 32, 32))
        after = values(generator.insert(image, box, TumorRequest(steps=STEPS), seed=seed, suv_factor=1).image)
        start = round((x - 16) / 4)
        return after[11:20, 11:20, start : start + 9]

    here = change_at(60)
    np.testing.assert_allclose(change_at(64), here, atol=1e-5)
    assert np.abs(change_at(160) - here).max() > 1e-3
    assert np.abs(change_at(60, seed=6) - here).max() > 1e-3


def test_a_tumor_does_not_depend_on_the_random_state_and_leaves_it_alone(generator: TumorGenerator) -> None:
    image = an_image()
    torch.manual_seed(1)
    first = generator.insert(image, a_box(image), TumorRequest(steps=STEPS), seed=7, suv_factor=1)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
    assert_same_result(first, generator.insert(image, a_box(image), TumorRequest(steps=STEPS), seed=7, suv_factor=1))


def test_steps_and_solver_matter(generator: TumorGenerator) -> None:
    image = an_image()
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    results = [
        values(generator.generate(prepared, TumorRequest(steps=steps, solver=solver)).image)  # type: ignore[arg-type]
        for steps, solver in ((2, "euler"), (3, "euler"), (2, "heun"), (2, "adams"))
    ]
    assert not np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
    assert not np.array_equal(results[0], results[3])


def test_variants_of_a_prepared_box_are_insertions(generator: TumorGenerator) -> None:
    image = an_image()
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    for seed in (3, 4, 3):
        variant = generator.generate(prepared, TumorRequest(steps=STEPS), seed=seed)
        assert_same_result(
            variant, generator.insert(image, a_box(image), TumorRequest(steps=STEPS), seed=seed, suv_factor=1)
        )


def test_a_prepared_box_does_not_see_later_changes_of_the_image(generator: TumorGenerator) -> None:
    image = an_image()
    untouched = sitk.Image(image)
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    image[0, 0, 0] = 99.0
    result = generator.generate(prepared, TumorRequest(steps=STEPS))
    image[1, 0, 0] = 99.0
    assert_same_result(result, generator.insert(untouched, a_box(untouched), TumorRequest(steps=STEPS), suv_factor=1))
    assert result.provenance["input_sha256"] == hash_volume(untouched)


def test_an_insertion_copies_the_volume_once_for_its_result_and_only_when_asked(
    generator: TumorGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = PetVolume(an_image(), PetUnits("SUV", 1.0, "given"))
    copied: list[sitk.Image] = []
    copy = sitk.Paste
    monkeypatch.setattr(sitk, "Paste", lambda image, *rest, **more: copied.append(image) or copy(image, *rest, **more))
    prepared = generator.prepare(volume, a_box(volume.image))
    results = [generator.generate(prepared, TumorRequest(steps=1), seed=seed) for seed in (1, 2)]
    assert all(result.quality.parts for result in results)
    assert copied == []
    assert all(result.image is result.image for result in results)
    assert len(copied) == 2
    assert all(result.provenance["input_sha256"] == hash_volume(volume.image) for result in results)
    # Both still share one set of voxels; SimpleITK copies it for the one that NumPy reads.
    assert not volume.image.IsUnique() and not prepared.image.IsUnique()
    assert all(result.image.IsUnique() for result in results)


def test_what_is_made_when_asked_for_is_that_of_the_insertion_and_made_once(
    generator: TumorGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(
        "TumorGenCore.insertion.generator.hash_volume", lambda i: hashed.append(hash_volume(i)) or hashed[-1]
    )
    image = an_image()
    expected = hash_volume(image)
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    first, second = (generator.generate(prepared, TumorRequest(steps=1), seed=seed) for seed in (1, 2))
    assert hashed == []
    image[8, 8, 8] = 99.0
    first.image[8, 8, 8] = 99.0
    assert first.provenance["input_sha256"] == second.provenance["input_sha256"] == expected
    assert hashed == [expected]
    for name in ("mask", "mask_probability", "provenance"):
        assert getattr(first, name) is getattr(first, name)


def test_the_input_is_not_modified(generator: TumorGenerator) -> None:
    image = an_image()
    image.SetMetaData("note", "mine")
    before, keys, voxels = hash_volume(image), image.GetMetaDataKeys(), values(image)
    result = generator.insert(image, a_box(image), TumorRequest(steps=STEPS), suv_factor=1)
    result.image[8, 8, 8] = 123.0
    assert hash_volume(image) == before
    assert image.GetMetaDataKeys() == keys and not result.image.GetMetaDataKeys()
    np.testing.assert_array_equal(values(image), voxels)


@pytest.mark.parametrize("margin", [10, 14])
def test_a_crop_gives_the_tumor_of_the_whole_volume(generator: TumorGenerator, margin: int) -> None:
    rng = np.random.default_rng(5)
    whole = random_image(rng, (60, 70, 80))
    whole.SetSpacing((3.7, 4.1, 3.3))
    index = (28, 41, 35)
    box = Box(whole.TransformIndexToPhysicalPoint(index), (22, 30, 26), random_direction(rng))
    # The patch is 16 voxels of 5 mm along the axes of the box: no corner is further than 70 mm from its center.
    reach = [int(np.ceil(70 / s)) + margin for s in whole.GetSpacing()]
    start = [max(0, n - r) for n, r in zip(index, reach, strict=True)]
    stop = [min(size, n + r) for size, n, r in zip(whole.GetSize(), index, reach, strict=True)]
    size = [b - a for a, b in zip(start, stop, strict=True)]
    assert size != list(whole.GetSize())
    crop = sitk.RegionOfInterest(whole, size, start)
    on_whole, on_crop = (
        generator.insert(i, box, TumorRequest(steps=STEPS), seed=2, suv_factor=1) for i in (whole, crop)
    )
    assert not np.array_equal(values(on_crop.image), values(crop))
    for name in ("image", "mask", "mask_probability"):
        common = sitk.RegionOfInterest(getattr(on_whole, name), size, start)
        np.testing.assert_array_equal(values(common), values(getattr(on_crop, name)), err_msg=name)
    elsewhere = np.ones(values(whole).shape, dtype=bool)
    elsewhere[tuple(slice(a, b) for a, b in zip(start[::-1], stop[::-1], strict=True))] = False
    np.testing.assert_array_equal(bits(on_whole.image)[elsewhere], bits(whole)[elsewhere])


@pytest.mark.parametrize("factor", [2.0**-12, 1 / 5230.7])
def test_becquerels_with_their_factor_give_the_tumor_of_the_suv_volume(
    generator: TumorGenerator, factor: float
) -> None:
    suv = an_image()
    becquerels = sitk.Cast(suv / factor, sitk.sitkFloat32)
    box = a_box(suv)
    in_suv = generator.insert(suv, box, TumorRequest(steps=STEPS), seed=3, suv_factor=1)
    given = generator.insert(becquerels, box, TumorRequest(steps=STEPS), seed=3, suv_factor=factor)
    exact = factor == 2.0**-12  # a power of two rounds nothing; the networks would enlarge rounding
    tolerance = 0 if exact else 2e-3
    np.testing.assert_allclose(values(given.image) * factor, values(in_suv.image), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(values(given.mask_probability), values(in_suv.mask_probability), rtol=0, atol=tolerance)
    known = PetVolume(becquerels, PetUnits("BQML", factor, "dicom tags"))
    from_units = generator.insert(known, box, TumorRequest(steps=STEPS), seed=3)
    assert_same_result(from_units, given)
    assert from_units.provenance["suv_factor_source"] == "dicom tags"
    assert (
        generator.insert(known, box, TumorRequest(steps=1), suv_factor=2 * factor).provenance["suv_factor"]
        == 2 * factor
    )


def test_progress_is_told_in_order(generator: TumorGenerator) -> None:
    calls: list[tuple[int, int, str]] = []
    image = an_image()
    generator.insert(
        image, a_box(image), TumorRequest(steps=3), suv_factor=1, on_progress=lambda *call: calls.append(call)
    )
    assert calls == [*((n, 3, "sampling") for n in range(4)), (3, 3, "pasting"), (3, 3, "done")]


@pytest.mark.parametrize("at", range(6))
def test_cancelling_at_any_point_leaves_nothing_behind(generator: TumorGenerator, at: int) -> None:
    image = an_image()
    before = hash_volume(image)
    calls: list[str] = []
    asked = iter(range(100))
    with pytest.raises(CancelledError, match=rf"Canceled after step {min(at, 3)} of 3; nothing was changed"):
        generator.insert(
            image,
            a_box(image),
            TumorRequest(steps=3),
            suv_factor=1,
            on_progress=lambda done, steps, doing: calls.append(doing),
            should_cancel=lambda: next(asked) == at,
        )
    assert hash_volume(image) == before
    assert len(calls) == at
    assert "done" not in calls
    generator.insert(image, a_box(image), TumorRequest(steps=1), suv_factor=1)  # and the generator can be used again


def test_without_cancelling_it_goes_on(generator: TumorGenerator) -> None:
    image = an_image()
    asked: list[bool] = []
    result = generator.insert(
        image, a_box(image), TumorRequest(steps=3), suv_factor=1, should_cancel=lambda: bool(asked.append(True))
    )
    assert len(asked) == 6
    assert_same_result(result, generator.insert(image, a_box(image), TumorRequest(steps=3), suv_factor=1))


def _with_voxel(value: float, dtype: type = np.float32) -> sitk.Image:
    image = an_image(dtype)
    image[3, 4, 5] = value
    return image


def _with_geometry(**changes: tuple[float, ...]) -> sitk.Image:
    image = an_image()
    for name, value in changes.items():
        getattr(image, f"Set{name}")(value)
    return image


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _with_voxel(float("nan")), r"1 voxels are NaN or Inf, the first at ijk (3, 4, 5)"),
        (lambda: _with_voxel(float("inf")), "NaN or Inf"),
        (lambda: _with_voxel(float("-inf"), np.float64), "NaN or Inf"),
        (lambda: sitk.JoinSeries([an_image(), an_image()]), "4 dimensions"),
        (lambda: an_image()[:, :, 3], "2 dimensions"),
        (lambda: sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), "3 components"),
        (lambda: sitk.Image([4, 4, 4], sitk.sitkComplexFloat32), "complex"),
        (lambda: sitk.Image([4, 4, 4], sitk.sitkLabelUInt8), "label"),
        (lambda: sitk.Image([4, 0, 4], sitk.sitkFloat32), "empty"),
        (lambda: sitk.Image(), "2 dimensions"),
        (lambda: _with_geometry(Spacing=(1.0, float("nan"), 1.0)), "spacing"),
        (lambda: _with_geometry(Origin=(0.0, float("inf"), 1.0)), "origin"),
        (lambda: _with_geometry(Direction=(1, 0, 0, 1, 1e-4, 0, 0, 0, 1)), "singular"),
    ],
)
@pytest.mark.parametrize("factor", [None, 1.0])
@pytest.mark.filterwarnings("error")
def test_an_unsupported_volume_is_refused_before_any_work(
    generator: TumorGenerator, make: Callable[[], sitk.Image], message: str, factor: float | None
) -> None:
    with pytest.raises(UnsupportedVolumeError, match=re.escape(message)):
        generator.insert(make(), a_box(an_image()), suv_factor=factor, on_progress=_no_progress)


@pytest.mark.parametrize("change", [{"Spacing": (0, 1, 1)}, {"Direction": (1, 0, 0, 1, 0, 0, 0, 0, 1)}])
def test_simpleitk_itself_refuses_zero_spacing_and_a_singular_direction(change: dict) -> None:
    with pytest.raises(RuntimeError):
        _with_geometry(**change)


def _no_progress(done: int, steps: int, doing: str) -> None:
    raise AssertionError("work had begun")


def _far(image: sitk.Image) -> np.ndarray:
    return center_of(image) + 500


def _just_beside(image: sitk.Image) -> np.ndarray:
    """The corners of the box span indices of the volume, but no voxel lies inside."""
    return np.array(image.TransformContinuousIndexToPhysicalPoint((-6.5, 8.0, 8.0)))


@pytest.mark.parametrize(
    ("where", "size_mm", "message"),
    [
        (center_of, (40, 5, 40), "5.0 mm thin"),
        (center_of, (40, 400, 40), "400 mm long"),
        (center_of, (1e9, 40, 40), "mm long"),
        (_far, (40, 40, 40), "holds no voxel of the volume"),
        (_just_beside, (40, 40, 40), "holds no voxel of the volume"),
    ],
)
def test_a_box_that_cannot_be_used_is_refused_before_any_work(
    generator: TumorGenerator, where: Callable, size_mm: tuple[float, float, float], message: str
) -> None:
    image = an_image()
    axes = np.reshape(image.GetDirection(), (3, 3))
    with pytest.raises(InvalidBoxError, match=message):
        generator.insert(image, Box(tuple(where(image)), size_mm, axes), suv_factor=1, on_progress=_no_progress)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_suv_factor_is_refused(generator: TumorGenerator, factor: float) -> None:
    image = an_image()
    with pytest.raises(UnsupportedVolumeError, match="SUV factor"):
        generator.insert(image, a_box(image), suv_factor=factor, on_progress=_no_progress)


def test_an_impossible_number_of_steps_or_solver_is_refused(generator: TumorGenerator) -> None:
    image = an_image()
    with pytest.raises(ValueError, match="steps is 0"):
        generator.insert(image, a_box(image), TumorRequest(steps=0), suv_factor=1)
    with pytest.raises(ValueError, match="'euler' or 'heun' or 'adams'"):
        generator.insert(image, a_box(image), TumorRequest(solver="magic"), suv_factor=1)  # type: ignore[arg-type]


def test_provenance_says_how_to_make_it_again_and_that_it_is_synthetic(
    generator: TumorGenerator, tiny_bundle_folder: Path
) -> None:
    image = an_image()
    box = a_box(image)
    result = generator.insert(image, box, TumorRequest(steps=STEPS, solver="heun"), seed=11, suv_factor=0.5)
    record, bundle = result.provenance, generator.bundle
    assert record.pop("created_utc")
    (tumor,) = record.pop("tumors")
    assert len(tumor.pop("sha256")) == 64
    assert tumor == {
        "seed": 11,
        "box_center_lps": list(box.center_lps),
        "box_size_mm": [34, 30, 38],
        "box_axes": [v for row in box.axes for v in row],
        "told": {},
        "tries": 1,
        "batch": [0, 1],
        "zoom": 1.0,
        "uptake_gain": 1.0,
    }
    libraries = record.pop("libraries")
    assert torch.__version__.startswith(libraries["torch"]) and libraries["SimpleITK"] == sitk.Version_VersionString()
    assert record.pop("processor") and record.pop("precision") in ("float32", "bfloat16")
    assert record.pop("warnings") == list(result.warnings)
    assert record == {
        "statement": "Synthetic, not for diagnosis",
        "synthetic": True,
        "software": "TumorGen",
        "software_version": software_version(),
        "bundle_name": "tiny",
        "bundle_version": "0.1",
        "bundle_hash": bundle.bundle_hash,
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "request": {"steps": STEPS, "solver": "heun", "time_grid": "uniform"},
        "input_sha256": hash_volume(image),
        "input_units": "unknown",
        "suv_factor": 0.5,
        "suv_factor_source": "given",
    }


def test_seconds_of_each_part_are_told(generator: TumorGenerator) -> None:
    image = an_image()
    seconds = generator.insert(image, a_box(image), TumorRequest(steps=1), suv_factor=1).seconds
    assert {"sample", "encode", "decode original", "steps", "decode", "refine", "paste"} <= set(seconds)
    assert all(s > 0 for s in seconds.values())


def test_an_unknown_device_is_refused_by_name(tiny_bundle_folder: Path) -> None:
    with pytest.raises(ValueError, match="'abacus' is not available here; use auto or one of: cpu"):
        TumorGenerator.from_pretrained(tiny_bundle_folder, device="abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_missing_device_is_refused_by_name(tiny_bundle_folder: Path) -> None:
    with pytest.raises(ValueError, match="'cuda:1' is not available here"):
        TumorGenerator.from_pretrained(tiny_bundle_folder, device="cuda:1")


def test_auto_takes_a_device_that_works(tiny_bundle_folder: Path) -> None:
    image = an_image()
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="auto")
    assert generator.device.type in ("cpu", "cuda", "mps")
    generator.insert(image, a_box(image), TumorRequest(steps=1), suv_factor=1)


def test_a_box_past_the_volume_and_off_the_body_is_warned_about(generator: TumorGenerator) -> None:
    image = an_image()
    assert not any("past" in w or "body" in w for w in generator.prepare(image, a_box(image), suv_factor=1).warnings)
    corner = image.TransformIndexToPhysicalPoint((0, 0, 0))
    warnings = generator.insert(image * 0.03, Box(corner, (40, 40, 12)), TumorRequest(steps=1), suv_factor=1).warnings
    for words in ("past the volume", "outside the body", "12 mm thin"):
        assert any(words in w for w in warnings), words


def test_variants_made_at_once_are_those_made_one_by_one(generator: TumorGenerator) -> None:
    """Not bit for bit: with several threads the order of sums differs in a batch."""
    image = an_image()
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    seeds = (7, 8, 7)
    results = generator.generate_many(prepared, TumorRequest(steps=STEPS), seeds=seeds)
    assert [result.seed for result in results] == list(seeds)
    for seed, result in zip(seeds, results, strict=True):
        alone = generator.generate(prepared, TumorRequest(steps=STEPS), seed=seed)
        assert bool(result.warnings) == bool(alone.warnings)
        change, other = (values(r.image).astype(np.float64) - values(image) for r in (result, alone))
        assert np.sqrt(np.mean((change - other) ** 2)) < 0.02 * np.sqrt(np.mean(other**2))
        assert np.mean(values(result.mask) != values(alone.mask)) < 1e-3
        np.testing.assert_allclose(values(result.mask_probability), values(alone.mask_probability), atol=0.02)
    assert not np.array_equal(values(results[0].image), values(results[1].image))


def test_variants_made_at_once_share_nothing_and_leave_the_input_alone(generator: TumorGenerator) -> None:
    image = an_image()
    before = bits(image)
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    first, second = generator.generate_many(prepared, TumorRequest(steps=1), seeds=(1, 2))
    kept = bits(second.image)
    first.image[0, 0, 0] = 99.0
    np.testing.assert_array_equal(bits(second.image), kept)
    np.testing.assert_array_equal(bits(image), before)


def test_progress_and_cancel_count_the_steps_of_all_variants(generator: TumorGenerator) -> None:
    image = an_image()
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    told: list[tuple[int, int, str]] = []
    request = TumorRequest(steps=2)
    list(generator.generate_each(prepared, request, seeds=(1, 2, 3), on_progress=lambda *step: told.append(step)))
    assert told[0] == (0, 6, "sampling")
    assert [done for done, _, doing in told if doing == "sampling"] == [0, 3, 6]
    assert told[-1] == (6, 6, "done")
    asked = iter([False, True])
    with pytest.raises(CancelledError, match="after step 3 of 6"):
        list(generator.generate_each(prepared, request, seeds=(1, 2, 3), should_cancel=lambda: next(asked)))


def test_the_time_of_a_batch_is_shared_by_its_variants(generator: TumorGenerator) -> None:
    image = an_image()
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    results = generator.generate_many(prepared, TumorRequest(steps=1), seeds=(1, 2))
    assert results[0].seconds["steps"] == results[1].seconds["steps"] > 0
    assert results[0].seconds["encode"] == prepared.seconds["encode"]


@pytest.mark.parametrize(("seeds", "message"), [((), "no seed"), ((1, -1), "seed is -1")])
def test_seeds_that_cannot_be_used_are_refused_before_any_work(
    generator: TumorGenerator, seeds: tuple[int, ...], message: str
) -> None:
    image = an_image()
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    with pytest.raises(ValueError, match=message):
        generator.generate_each(prepared, seeds=seeds, on_progress=lambda *_: pytest.fail("work was begun"))


def test_a_bundle_is_sampled_its_own_way_unless_asked_otherwise(tiny_bundle_folder: Path) -> None:
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    generator.bundle.sampling = Sampling(3, "heun", shift=2.0)
    image = an_image()
    prepared = generator.prepare(image, a_box(image), suv_factor=1)
    told: list[int] = []
    own = generator.generate(prepared, seed=1, on_progress=lambda done, steps, doing: told.append(steps))
    assert set(told) == {3}
    assert own.provenance["request"] == {"steps": 3, "solver": "heun", "time_grid": {"shift": 2.0}}
    assert own.maker.sampling.grid() == pytest.approx([0, 0.2, 0.5, 1])
    asked = generator.insert(image, a_box(image), TumorRequest(steps=2, solver="euler"), seed=1, suv_factor=1)
    assert asked.provenance["request"] == {"steps": 2, "solver": "euler", "time_grid": {"shift": 2.0}}
    assert asked.maker.sampling.grid() == pytest.approx([0, 1 / 3, 1])
    generator.bundle.sampling = Sampling(3, "heun")
    even = generator.generate(prepared, seed=1)
    assert even.provenance["request"]["time_grid"] == "uniform"
    assert not np.array_equal(values(even.image), values(own.image))
    generator.bundle.sampling = Sampling(3, "heun", mask_noise=0.0)
    quiet = generator.generate(prepared, seed=1)
    assert quiet.provenance["request"]["mask_noise"] == 0
    assert not np.array_equal(values(quiet.image), values(even.image))
