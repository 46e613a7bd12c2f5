"""Metadata with a number, type or form that no model can use are refused by name, before any network works."""

from __future__ import annotations

import hashlib
import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from TumorGenCore.bundle.folders import METADATA, bundle_folder, bundle_sampling, installed_bundles, read_metadata
from TumorGenCore.bundle.metadata_checks import check_entries
from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.errors import ModelBundleError


@pytest.fixture
def folder(tiny_bundle_folder: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copytree(tiny_bundle_folder, tmp_path / "mine"))


def change(folder: Path, entry: str, value: Any) -> None:
    """Sets an entry such as ``patch.spacing_mm`` or ``latent_mean.0``."""
    metadata = json.loads((folder / METADATA).read_text())
    *way, last = entry.split(".")
    at = metadata["tumorgen"]
    for key in way:
        at = at[key]
    at[int(last) if isinstance(at, list) else last] = value
    (folder / METADATA).write_text(json.dumps(metadata))


NUMBERS = [
    "intensity_scale.knee_suv",
    "intensity_scale.top_suv",
    "intensity_scale.low",
    "patch.spacing_mm",
    "patch.context_mm",
    "patch.multiple",
    "patch.max_size",
    "patch.min_box_mm",
    "patch.max_box_mm",
    "latent_mean.0",
    "latent_deviation.3",
    "sampling.steps",
    "uptake.median_suv",
    "uptake.spread",
    "uptake.least_contrast",
    "uptake.most_raised_suv",
    "fill.median",
    "fill.spread",
    "tuning.suv_max_over_p95",
    "tuning.most_edge",
    "tuning.speck_share",
    "tuning.speck_tries.0",
    "tuning.fitted_shares.1",
    "tuning.fitted_volumes_ml.0",
    "tuning.field_bounds.suv_max.2",
    "networks.vae.num_res_blocks.0",
    "networks.vector_field.num_head_channels",
    "networks.mask_refiner.channels",
]


@pytest.mark.parametrize("entry", NUMBERS)
def test_no_number_may_be_infinite_negative_or_no_number(folder, entry):
    name = entry.rsplit(".", 1)[0] if entry[-1].isdigit() else entry
    for value in (float("nan"), float("inf"), float("-inf"), -(10**7), 10**400, "1", None, True, [], {}):
        change(folder, entry, value)
        with pytest.raises(ModelBundleError, match=rf"bundle mine is incomplete or wrong: .*{name}"):
            read_metadata(folder)
    with pytest.raises(ModelBundleError, match=name):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("entry", "value", "words"),
    [
        ("patch.spacing_mm", 0, r"patch\.spacing_mm is 0; it must be a number from 0.1 to 100"),
        ("patch.max_size", 100_000, r"patch\.max_size is 100000; it must be a whole number from 1 to 512"),
        ("patch.multiple", 16.5, "patch.multiple"),
        ("patch.multiple", 12, r"patch\.multiple is 12; these networks need a multiple of 16"),
        ("patch.max_size", 8, r"patch\.max_size is 8; it must be at least patch\.multiple, 16"),
        ("patch.min_box_mm", 400, "above patch.max_box_mm"),
        ("patch.color", 1, "patch has an unknown entry 'color'"),
        ("intensity_scale.low", 1, "intensity_scale.low"),
        ("intensity_scale.top_suv", 0.5, "must lie between 0 and top_suv"),
        ("networks.vae.channels", [8, -16], "value 2 of networks.vae.channels"),
        ("networks.vae.channels", [8] * 1000, "networks.vae.channels"),
        ("networks.vae.latent_channels", 10**9, "networks.vae.latent_channels"),
        ("networks.vae.latent_channels", 8, "vae.safetensors of bundle mine does not fit"),
        ("networks.vae.use_convtranspose", 1, "networks.vae.use_convtranspose"),
        ("networks.vae.norm_num_groups", 0, "networks.vae.norm_num_groups"),
        ("networks.vae.norm_num_groups", 3, "does not fit"),
        ("networks.vector_field.num_res_blocks", 10**9, "networks.vector_field.num_res_blocks"),
        ("networks.vector_field.control_channels", -1, "networks.vector_field.control_channels"),
        ("networks.vector_field.attention_levels", [1, 0, 0], "value 1 of networks.vector_field.attention_levels"),
        ("networks.mask_refiner.feature_scales", [2, 2, 2], "mask refiner"),
        ("networks.mask_refiner.color", 1, "networks.mask_refiner has an unknown entry 'color'"),
        ("networks.mask_refiner", None, "networks.mask_refiner"),
        ("weights", {"vae.safetensors": "1"}, "weights lacks the entry 'vector_field.safetensors'"),
        ("weights.vae.safetensors", 5, "weights"),
        ("sampling.steps", 10**12, r"sampling\.steps is 1000000000000; it must be a whole number from 1 to 10000"),
        ("sampling.solver", 3, "sampling.solver"),
        ("sampling.time_grid", None, "sampling.time_grid"),
        ("sampling.time_grid", {"shift": float("nan")}, "sampling.time_grid.shift"),
        ("tuning.field_bounds.suv_max", [4, 3, 2, 1], "rising"),
        ("notes", [1], "notes"),
        ("training_lesions", {}, "training_lesions"),
    ],
)
def test_a_value_that_no_model_can_use_is_refused_by_name(folder, entry, value, words):
    if entry == "weights.vae.safetensors":
        metadata = json.loads((folder / METADATA).read_text())
        metadata["tumorgen"]["weights"]["vae.safetensors"] = value
        (folder / METADATA).write_text(json.dumps(metadata))
    else:
        change(folder, entry, value)
    with pytest.raises(ModelBundleError, match=words) as error:
        load_bundle(folder)
    assert len(str(error.value)) < 3000


@pytest.mark.parametrize("place", ["", "notes", "patch", "networks", "version"])
def test_nested_metadata_are_refused(folder, place):
    metadata = json.loads((folder / METADATA).read_text())
    nested = "[" * 50_000 + "]" * 50_000
    if place:
        (metadata if place == "version" else metadata["tumorgen"])[place] = "HERE"
    text = json.dumps(metadata).replace('"HERE"', nested) if place else nested
    (folder / METADATA).write_text(text)
    for read in (load_bundle, bundle_sampling):
        with pytest.raises(ModelBundleError, match="nested too deeply"):
            read(folder)


def test_huge_metadata_are_refused_and_a_byte_order_mark_is_read(folder):
    text = (folder / METADATA).read_text()
    (folder / METADATA).write_text(text, encoding="utf-8-sig")
    assert load_bundle(folder).name == "mine"
    with (folder / METADATA).open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ModelBundleError, match="larger than 16 MB"):
        load_bundle(folder)


def test_a_network_that_fits_into_no_memory_is_refused_without_memory(folder):
    change(folder, "networks.vector_field.channels", [4096, 4096, 4096])
    tracemalloc.start()
    try:
        with pytest.raises(ModelBundleError, match=r"vector_field\.safetensors of bundle mine does not fit"):
            load_bundle(folder)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: torch.full_like(t, float("nan")), "not finite"),
        (lambda t: torch.full_like(t, float("inf")), "not finite"),
        (lambda t: t.to(torch.int32), "the type torch.int32"),
    ],
)
def test_weights_that_are_no_finite_floats_are_refused_even_with_the_right_hash(folder, spoil, words):
    file = folder / "models" / "mask_refiner.safetensors"
    state = load_file(file)
    name = next(iter(state))
    state[name] = spoil(state[name])
    save_file(state, file)
    metadata = json.loads((folder / METADATA).read_text())
    metadata["tumorgen"]["weights"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / METADATA).write_text(json.dumps(metadata))
    with pytest.raises(ModelBundleError, match=words):
        load_bundle(folder)


def test_unusual_numbers_that_work_are_read(folder):
    for entry, value in {
        "patch.spacing_mm": 8,
        "patch.max_size": 256,
        "patch.context_mm": 0,
        "intensity_scale.low": 0,
        "sampling.steps": 1000,
        "fill.median": 0,
        "uptake.spread": 0,
        "notes": {"figure": float("nan")},
        "made_by": {"anything": [1, 2]},
    }.items():
        change(folder, entry, value)
    bundle = load_bundle(folder)
    assert (bundle.patch.spacing_mm, bundle.patch.max_size) == (8, 256)
    assert (bundle.scale.low, bundle.sampling.steps) == (0, 1000)


def test_shipped_bundles_pass():
    for installed in installed_bundles():
        check_entries(read_metadata(bundle_folder(installed.name))[0]["tumorgen"])
