"""A bundle is read as it was saved, and errors name any other content of its folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from full_disk import file_size_limit
from safetensors.torch import load_file, save_file

from TumorGenCore.bundle.folders import bundle_sampling, installed_bundles, models_root
from TumorGenCore.bundle.model_bundle import ModelBundle, add_training_lesions, load_bundle, save_bundle
from TumorGenCore.errors import ModelBundleError
from TumorGenCore.lesions.thumbnails import TrainingLesions
from TumorGenCore.method.schedule import Sampling

NETWORKS = ("vae", "vector_field", "mask_refiner")


@pytest.fixture(scope="module")
def bundle(tiny_bundle_folder: Path) -> ModelBundle:
    return load_bundle(tiny_bundle_folder)


@pytest.fixture
def folder(tiny_bundle_folder: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle_folder, tmp_path / "mine"))


def read_metadata(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "configs" / "metadata.json").read_text())


def write_metadata(folder: Path, metadata: Any) -> None:
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))


def correct_hash(folder: Path, key: str) -> None:
    """Writes the hashes of the present weights into the metadata."""
    metadata = read_metadata(folder)
    weights = (folder / "models" / f"{key}.safetensors").read_bytes()
    metadata["tumorgen"]["weights"][f"{key}.safetensors"] = hashlib.sha256(weights).hexdigest()
    write_metadata(folder, metadata)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("half_precision", [True, False])
def test_a_bundle_comes_back_as_it_was_saved(bundle: ModelBundle, tmp_path: Path, half_precision: bool) -> None:
    save_bundle(bundle, tmp_path / "again", card="# card\n", half_precision=half_precision)
    again = load_bundle(tmp_path / "again")
    assert again.name == "again"
    for name in ("version", "network_arguments", "scale", "patch", "latent_mean", "latent_deviation"):
        assert getattr(again, name) == getattr(bundle, name), name
    assert again.notes == bundle.notes
    for key in NETWORKS:
        before, after = getattr(bundle, key), getattr(again, key)
        assert not after.training
        for name, tensor in after.state_dict().items():
            assert torch.equal(tensor, before.state_dict()[name]), name  # converting to float16 twice changes nothing
            assert tensor.dtype == torch.float32
        assert not any(p.requires_grad for p in after.parameters())
    assert (tmp_path / "again" / "docs" / "README.md").read_text() == "# card\n"
    stored = {t.dtype for t in load_file(tmp_path / "again" / "models" / "vae.safetensors").values()}
    assert stored == {torch.float16 if half_precision else torch.float32}


def test_half_precision_is_half_the_size_and_rounds_the_weights(bundle: ModelBundle, tmp_path: Path) -> None:
    whole = load_bundle(save_with_a_third(bundle, tmp_path / "whole", half_precision=False))
    half = load_bundle(save_with_a_third(bundle, tmp_path / "half", half_precision=True))
    assert first_weight(whole) == pytest.approx(1 / 3, rel=1e-7)
    assert first_weight(half) == float(torch.tensor(1 / 3).half()) != first_weight(whole)
    sizes = [(tmp_path / n / "models" / "vector_field.safetensors").stat().st_size for n in ("half", "whole")]
    assert sizes[0] < 0.75 * sizes[1]
    assert whole.weights_hash != half.weights_hash


def first_weight(bundle: ModelBundle) -> float:
    return next(bundle.vae.parameters()).flatten()[0].item()


def save_with_a_third(bundle: ModelBundle, folder: Path, half_precision: bool) -> Path:
    """Saves the bundle with 1/3, which is not exact in any float, as its first weight."""
    weight = next(bundle.vae.parameters())
    old = weight.clone()
    weight.fill_(1 / 3)
    save_bundle(bundle, folder, card="", half_precision=half_precision)
    weight.copy_(old)
    return folder


def test_metadata_has_the_form_of_a_monai_bundle(tiny_bundle_folder: Path) -> None:
    metadata = read_metadata(tiny_bundle_folder)
    for key in ("version", "monai_version", "pytorch_version", "numpy_version", "task", "network_data_format"):
        assert metadata[key], key
    assert "not for diagnosis" in metadata["intended_use"]
    assert "\\" not in json.dumps(metadata)
    assert str(tiny_bundle_folder.parent) not in json.dumps(metadata)


def test_the_hash_of_a_bundle_names_its_weights(bundle: ModelBundle, folder: Path) -> None:
    assert load_bundle(folder).weights_hash == bundle.weights_hash
    file = folder / "models" / "vae.safetensors"
    state = load_file(file)
    next(iter(state.values())).flatten()[0] += 1
    save_file(state, file)
    correct_hash(folder, "vae")
    assert load_bundle(folder).weights_hash != bundle.weights_hash


def _flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize("key", NETWORKS)
@pytest.mark.parametrize("damage", [_flip_a_bit, _truncate, lambda file: file.write_bytes(b"")])
def test_damaged_weights_are_found_by_their_hash(folder: Path, key: str, damage: Callable[[Path], Any]) -> None:
    damage(folder / "models" / f"{key}.safetensors")
    with pytest.raises(ModelBundleError, match=rf"hash of {key}\.safetensors of bundle mine differs .* Install"):
        load_bundle(folder)


@pytest.mark.parametrize("key", NETWORKS)
def test_missing_weights_are_named(folder: Path, key: str) -> None:
    (folder / "models" / f"{key}.safetensors").unlink()
    with pytest.raises(ModelBundleError, match=rf"mine has no file {key}\.safetensors; install it again"):
        load_bundle(folder)


def _other_shapes(file: Path) -> None:
    save_file({name: torch.zeros(3) for name in load_file(file)}, file)


def _other_names(file: Path) -> None:
    save_file({f"foreign.{name}": tensor for name, tensor in load_file(file).items()}, file)


def _fewer_tensors(file: Path) -> None:
    save_file(dict(list(load_file(file).items())[1:]), file)


@pytest.mark.parametrize(
    "exchange",
    [_other_shapes, _other_names, _fewer_tensors, _truncate, lambda file: file.write_bytes(b"no safetensors at all")],
)
@pytest.mark.parametrize("key", NETWORKS)
def test_foreign_weights_are_refused_even_with_the_right_hash(
    folder: Path, key: str, exchange: Callable[[Path], Any]
) -> None:
    exchange(folder / "models" / f"{key}.safetensors")
    correct_hash(folder, key)
    with pytest.raises(ModelBundleError, match=rf"{key}\.safetensors of bundle mine does not fit the network"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "3", "null", '{"version": "1"}', '{"tumorgen": 3}', '{"tumorgen": {}}', "\udcff"],
)
def test_foreign_metadata_is_refused(folder: Path, text: str) -> None:
    (folder / "configs" / "metadata.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ModelBundleError, match=r"is not the metadata of a TumorGen bundle .* use a folder from"):
        load_bundle(folder)


def test_a_newer_format_asks_for_an_update(folder: Path) -> None:
    metadata = read_metadata(folder)
    metadata["tumorgen"]["format_version"] += 1
    write_metadata(folder, metadata)
    with pytest.raises(ModelBundleError, match=r"mine has format 2.* reads formats up to 1.*[Uu]pdate TumorGen"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "key",
    ["networks", "weights", "intensity_scale", "patch", "latent_mean", "latent_deviation", "condition"],
)
def test_a_missing_key_is_named(folder: Path, key: str) -> None:
    metadata = read_metadata(folder)
    del metadata["tumorgen"][key]
    write_metadata(folder, metadata)
    with pytest.raises(ModelBundleError, match=rf"metadata of bundle mine is incomplete.*{key}"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latent_mean", [0.0, 0.0]),
        ("latent_mean", None),
        ("latent_deviation", [1.0, 1.0, 1.0, 0.0]),
        ("latent_deviation", [1.0, 1.0, 1.0, float("nan")]),
        ("condition", "beside"),
        ("patch", {"spacing": 2.0}),
        ("intensity_scale", {"knee_suv": 3.0, "top_suv": 1.0}),
        ("weights", []),
        ("networks", {"vae": {"channels": [8, 16]}}),
        ("networks", {"vae": {"channels": [7, 16]}}),
        ("networks", {"vae": {"color": "blue"}}),
        ("networks", {"vae": 3}),
    ],
)
def test_a_wrong_value_is_refused(folder: Path, key: str, value: object) -> None:
    metadata = read_metadata(folder)
    metadata["tumorgen"][key] = value
    write_metadata(folder, metadata)
    with pytest.raises(ModelBundleError, match="mine"):
        load_bundle(folder)


def test_networks_conditioned_or_shaped_otherwise_are_not_used(folder: Path) -> None:
    metadata = read_metadata(folder)
    before = load_bundle(folder).network_arguments
    metadata["tumorgen"]["networks"]["vector_field"]["box_channel"] = True
    write_metadata(folder, metadata)
    assert load_bundle(folder).network_arguments == before
    metadata["tumorgen"]["networks"]["vector_field"]["box_channel"] = False
    write_metadata(folder, metadata)
    with pytest.raises(ModelBundleError, match=r"mine was trained without the box channel.*cannot use such bundles"):
        load_bundle(folder)
    del metadata["tumorgen"]["networks"]["vector_field"]["box_channel"]
    metadata["tumorgen"]["condition"] = "after"
    write_metadata(folder, metadata)
    with pytest.raises(
        ModelBundleError, match=r"mine was trained with the condition 'after'.*uses only bundles with .*'before'"
    ):
        load_bundle(folder)


def test_a_studys_variant_is_for_the_study_alone(bundle: ModelBundle, tmp_path: Path) -> None:
    variant = replace(bundle, variant="deaf")
    save_bundle(variant, tmp_path / "deaf", card="# card\n")
    assert load_bundle(tmp_path / "deaf", "deaf").variant == "deaf"
    for known in ("", "blind"):
        with pytest.raises(ModelBundleError, match="the variant deaf of a study"):
            load_bundle(tmp_path / "deaf", known)


def shares_weights(folder: Path, **own: Any) -> Path:
    """A bundle beside another one, whose weights it uses."""
    sharing = folder.with_name("sharing")
    (sharing / "configs").mkdir(parents=True)
    write_metadata(sharing, {"name": "sharing", "tumorgen": {"format_version": 1, "weights_of": folder.name, **own}})
    return sharing


def test_a_bundle_may_share_anothers_weights_and_be_sampled_in_its_own_way(folder: Path) -> None:
    sampling = Sampling(4, "adams", 2.0)
    lender, sharing = load_bundle(folder), load_bundle(shares_weights(folder, sampling=sampling.as_dict()))
    assert (sharing.name, sharing.sampling) == ("sharing", sampling)
    assert lender.sampling == Sampling()
    for same in ("weights_hash", "version", "notes", "patch", "scale", "latent_mean", "training_lesions"):
        assert getattr(sharing, same) == getattr(lender, same)
    for key in NETWORKS:
        theirs, ours = (getattr(bundle, key).state_dict() for bundle in (lender, sharing))
        assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


def test_thumbnails_go_where_the_weights_are(folder: Path) -> None:
    sharing, lesions = shares_weights(folder), load_bundle("pet-fdg-v2").training_lesions
    assert lesions is not None and load_bundle(sharing).training_lesions is None
    add_training_lesions(sharing, lesions)
    for bundle in (load_bundle(folder), load_bundle(sharing)):
        assert bundle.training_lesions is not None
        assert len(bundle.training_lesions.frames) == len(lesions.frames)
    assert not (sharing / "models").exists()


def test_damaged_weights_are_refused_by_who_shares_them_too(folder: Path) -> None:
    sharing = shares_weights(folder)
    (folder / "models" / "vae.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelBundleError, match="damaged, truncated or was replaced"):
        load_bundle(sharing)


@pytest.mark.parametrize("lender", ["nowhere", "../elsewhere", "sharing"])
def test_weights_that_cannot_be_shared_are_refused_by_name(folder: Path, lender: str) -> None:
    sharing = shares_weights(folder, weights_of=lender)
    for read in (load_bundle, bundle_sampling):
        with pytest.raises(ModelBundleError, match=f"sharing uses the weights of {Path(lender).name}, but"):
            read(sharing)


def test_an_unknown_bundle_is_refused_with_the_names_of_those_installed(tmp_path: Path) -> None:
    with pytest.raises(ModelBundleError, match=r"no model bundle 'nowhere'.*Installed bundles: ") as error:
        load_bundle(tmp_path / "nowhere")
    for installed in installed_bundles():
        assert installed.name in str(error.value)
        assert installed.parent == models_root()


def test_saving_replaces_the_whole_bundle(bundle: ModelBundle, folder: Path) -> None:
    (folder / "docs" / "old.md").write_text("of the old one")
    save_bundle(bundle, folder, card="new")
    assert load_bundle(folder).weights_hash == bundle.weights_hash
    assert not (folder / "docs" / "old.md").exists()
    assert (folder / "docs" / "README.md").read_text() == "new"
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_failing_save_leaves_the_old_bundle_and_nothing_else(bundle: ModelBundle, folder: Path) -> None:
    before = contents(folder)
    bundle.notes["not for JSON"] = object()
    try:
        with pytest.raises(TypeError, match="not JSON serializable"):
            save_bundle(bundle, folder, card="new")
    finally:
        del bundle.notes["not for JSON"]
    assert contents(folder) == before
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_bundle_that_finds_no_space_is_named_and_leaves_nothing(bundle: ModelBundle, tmp_path: Path) -> None:
    with file_size_limit(2000), pytest.raises(OSError, match=r"vae\.safetensors cannot be written.*disk is full"):
        save_bundle(bundle, tmp_path / "new", card="# new\n")
    assert not list(tmp_path.iterdir())


def test_a_save_that_cannot_be_moved_into_place_leaves_the_old_bundle(
    bundle: ModelBundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, replace = contents(folder), Path.replace

    def full_disk(source: Path, target: Path) -> Path:
        if source.name.endswith(".part"):
            raise OSError("no space left")
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save_bundle(bundle, folder, card="new")
    assert contents(folder) == before
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


# Thumbnails of the training lesions


@pytest.fixture
def lesions() -> TrainingLesions:
    frames = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 12)).astype(np.uint8)
    return TrainingLesions(frames, np.array([0, 1, 2, 2, 3], dtype=np.int32))


def test_a_bundle_without_thumbnails_has_none(bundle: ModelBundle) -> None:
    assert bundle.training_lesions is None


def test_thumbnails_come_back_and_change_no_hash(bundle: ModelBundle, lesions: TrainingLesions, tmp_path: Path) -> None:
    save_bundle(replace(bundle, training_lesions=lesions), tmp_path / "with", card="")
    again = load_bundle(tmp_path / "with")
    assert again.training_lesions is not None
    np.testing.assert_array_equal(again.training_lesions.frames, lesions.frames)
    assert again.weights_hash == bundle.weights_hash


def test_thumbnails_are_added_to_a_bundle_that_is_there(folder: Path, lesions: TrainingLesions) -> None:
    before = contents(folder)
    for _ in range(2):
        add_training_lesions(folder, lesions)
    after = contents(folder)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"configs/metadata.json", "models/training_lesions.safetensors"}
    assert set(after) - set(before) == {"models/training_lesions.safetensors"}
    assert load_bundle(folder).training_lesions is not None


def test_damaged_missing_and_foreign_thumbnails_are_refused(folder: Path, lesions: TrainingLesions) -> None:
    add_training_lesions(folder, lesions)
    file = folder / "models" / "training_lesions.safetensors"
    whole = file.read_bytes()
    _flip_a_bit(file)
    with pytest.raises(ModelBundleError, match=r"hash of training_lesions\.safetensors of bundle mine differs"):
        load_bundle(folder)
    file.unlink()
    with pytest.raises(ModelBundleError, match=r"mine has no file training_lesions\.safetensors"):
        load_bundle(folder)
    for foreign in (b"no safetensors", whole[:40], (folder / "models" / "vae.safetensors").read_bytes()):
        file.write_bytes(foreign)
        metadata = read_metadata(folder)
        metadata["tumorgen"]["training_lesions"] = {file.name: hashlib.sha256(foreign).hexdigest()}
        write_metadata(folder, metadata)
        with pytest.raises(ModelBundleError, match=r"training_lesions\.safetensors of bundle mine is wrong"):
            load_bundle(folder)
