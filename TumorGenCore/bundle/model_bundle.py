"""Model bundles on disk: MONAI bundle layout, safetensors with hashes, networks built from the metadata."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from TumorGenCore.bundle.disk_errors import named_disk_errors
from TumorGenCore.bundle.folders import (
    DEFAULT_BUNDLE,
    FORMAT_VERSION,
    METADATA,
    bundle_folder,
    installed_bundles,
    metadata_hash,
    read_metadata,
)
from TumorGenCore.bundle.laws import FillLaw, NoiseLaw, UptakeLaw
from TumorGenCore.bundle.tuning import Tuning
from TumorGenCore.errors import ModelBundleError
from TumorGenCore.former_names import with_present_names
from TumorGenCore.lesions.thumbnails import TrainingLesions
from TumorGenCore.method.intensity import NetworkScale
from TumorGenCore.method.mask_refiner import MaskRefiner
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.method.vector_field import VectorField
from TumorGenCore.volumes.file_hash import sha256_of
from TumorGenCore.volumes.patch import PatchSettings
from TumorGenCore.volumes.safe_write import replacing

__all__ = [
    "DEFAULT_BUNDLE",
    "ModelBundle",
    "add_training_lesions",
    "bundle_folder",
    "installed_bundles",
    "load_bundle",
    "save_bundle",
]

_CARD = Path("docs/README.md")
_LESIONS = "training_lesions.safetensors"
_NETWORKS: dict[str, type[nn.Module]] = {"vae": PetVAE, "vector_field": VectorField, "mask_refiner": MaskRefiner}


@dataclass
class ModelBundle:
    """Three networks and all settings that are needed to use them.

    Args:
        name: name of the folder.
        version: version of the bundle.
        vae, vector_field, mask_refiner: the networks, float32, in evaluation mode.
        network_arguments: constructor arguments of each network, as stored in the metadata.
        scale: conversion between SUV and network scale.
        patch: settings of the working patch.
        latent_mean, latent_deviation: mean and standard deviation of each channel, to normalize latents.
        sampling: default steps, solver, times and noise.
        notes: description, training data with license, figures; free JSON for the metadata.
        weights_hash: sha256 of the weight files' hashes.
        training_lesions: thumbnails and traits of the training lesions, if the bundle has them.
        uptake, fill: laws of the uptake and the fill if the user gives none.
        noise: noise and resolution of the uptake that a tumor adds.
        tuning: other numbers that are tuned to the bundle.
        bundle_hash: sha256 of the metadata, which contains the hashes of all files; it changes whenever the bundle
            makes other tumors.
        variant: name of a study's variant, if the networks work only in that study.
    """

    name: str
    version: str
    vae: PetVAE
    vector_field: VectorField
    mask_refiner: MaskRefiner
    network_arguments: dict[str, dict[str, Any]]
    scale: NetworkScale
    patch: PatchSettings
    latent_mean: list[float]
    latent_deviation: list[float]
    sampling: Sampling = field(default_factory=Sampling)
    notes: dict[str, Any] = field(default_factory=dict)
    weights_hash: str = ""
    training_lesions: TrainingLesions | None = None
    uptake: UptakeLaw = field(default_factory=UptakeLaw)
    fill: FillLaw = field(default_factory=FillLaw)
    noise: NoiseLaw = field(default_factory=NoiseLaw)
    tuning: Tuning = field(default_factory=Tuning)
    bundle_hash: str = ""
    variant: str = ""


def save_bundle(bundle: ModelBundle, folder: Path, card: str, half_precision: bool = True) -> None:
    """Writes a bundle; replaces an existing folder only when the new one is complete.

    Args:
        bundle: the bundle to write.
        folder: for example ``Resources/Models/my-bundle``.
        card: the model card, Markdown.
        half_precision: whether to store float16, half the size; ``load_bundle`` converts it to float32.
    """
    part = folder.with_name(f".{folder.name}.part")
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _write_bundle(bundle, part, card, half_precision)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.replace(old)
        part.replace(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.replace(folder)
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_bundle(bundle: ModelBundle, folder: Path, card: str, half_precision: bool) -> None:
    for sub in ("configs", "models", "docs"):
        (folder / sub).mkdir(parents=True)
    weights = {}
    for key in _NETWORKS:
        state = getattr(bundle, key).state_dict()
        tensors = {
            n: (t.half() if half_precision and t.is_floating_point() else t).contiguous() for n, t in state.items()
        }
        with named_disk_errors(folder / "models" / f"{key}.safetensors"):
            save_file(tensors, folder / "models" / f"{key}.safetensors")
        weights[f"{key}.safetensors"] = sha256_of(folder / "models" / f"{key}.safetensors")
    metadata = _metadata(bundle, weights)
    if bundle.training_lesions is not None:
        metadata["tumorgen"]["training_lesions"] = _write_lesions(bundle.training_lesions, folder)
    (folder / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")
    (folder / _CARD).write_text(card)


def add_training_lesions(folder: Path, lesions: TrainingLesions) -> None:
    """Puts thumbnails into the bundle in ``folder``; weights, card and all other metadata stay as they are.

    Thumbnails belong to the weights. If the bundle uses the weights of another one, they go into that one.

    Raises:
        OSError: the folder holds no bundle, or cannot be written to.
    """
    folder = read_metadata(folder)[1]
    _change_metadata(folder, "training_lesions", _write_lesions(lesions, folder))


def _change_metadata(folder: Path, key: str, value: dict[str, Any]) -> None:
    metadata = json.loads((folder / METADATA).read_text())
    metadata["tumorgen"][key] = value
    with replacing(folder / METADATA) as temporary:
        temporary.write_text(json.dumps(metadata, indent=2) + "\n")


def _write_lesions(lesions: TrainingLesions, folder: Path) -> dict[str, str]:
    file = folder / "models" / _LESIONS
    with replacing(file) as temporary:
        lesions.save(temporary)
    return {_LESIONS: sha256_of(file)}


def load_bundle(name_or_path: str | Path = DEFAULT_BUNDLE, variant: str = "") -> ModelBundle:
    """Reads a bundle and checks every hash, name and shape.

    Args:
        name_or_path: name of an installed bundle, or folder of a bundle.
        variant: variant of a study that the caller can use; none by default.

    Raises:
        ModelBundleError: the bundle is missing, damaged, truncated, not a TumorGen bundle, or a study's variant that
            the caller cannot use.
    """
    folder = bundle_folder(name_or_path)
    metadata, weights = read_metadata(folder)
    own = metadata["tumorgen"]
    try:
        _check_use(folder.name, own, variant)
        arguments = _without_switches(folder.name, own["networks"])
        networks = {key: _load_network(weights, key, arguments, own) for key in _NETWORKS}
        return ModelBundle(
            name=folder.name,
            version=str(metadata.get("version", "")),
            network_arguments=arguments,
            scale=NetworkScale(**{k: v for k, v in own["intensity_scale"].items() if k != "kind"}),
            patch=_patch_settings(own["patch"], networks, arguments),
            latent_mean=_per_channel(own, "latent_mean", networks["vae"]),
            latent_deviation=_per_channel(own, "latent_deviation", networks["vae"]),
            sampling=Sampling.parse(own.get("sampling", {})),
            notes=with_present_names(own.get("notes", {})),
            weights_hash=_joint_hash(own["weights"]),
            training_lesions=_load_lesions(weights, own),
            uptake=UptakeLaw.parse(own.get("uptake", {})),
            fill=FillLaw.parse(own.get("fill", {})),
            noise=NoiseLaw.parse(own.get("noise", {})),
            tuning=Tuning.parse(own.get("tuning", {})),
            bundle_hash=metadata_hash(own),
            variant=variant,
            **networks,  # type: ignore[arg-type]
        )
    except OSError as error:
        raise ModelBundleError(
            f"{error.filename} of bundle {folder.name} cannot be read ({error.strerror}). Check the permissions."
        ) from error
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelBundleError(
            f"The metadata of bundle {folder.name} is incomplete or wrong: {error!r}. Install it again."
        ) from error


def _per_channel(own: dict[str, Any], key: str, vae: nn.Module) -> list[float]:
    values = [float(v) for v in own[key]]
    channels = int(vae.latent_channels)  # type: ignore[arg-type]
    if len(values) != channels:
        raise ValueError(f"{key} has {len(values)} numbers; it needs {channels}, one for each channel")
    return values


def _patch_settings(
    values: dict[str, Any], networks: dict[str, nn.Module], arguments: dict[str, dict[str, Any]]
) -> PatchSettings:
    """Returns the settings of the patch; raises ValueError if networks and patch do not fit together."""
    vae, vector_field, mask_refiner = (networks[key] for key in _NETWORKS)
    assert isinstance(vae, PetVAE) and isinstance(vector_field, VectorField) and isinstance(mask_refiner, MaskRefiner)
    if arguments["vector_field"].get("latent_channels", 4) != vae.latent_channels:
        raise ValueError(f"the vector field must have {vae.latent_channels} latent channels, as the VAE")
    channels, scales = vae.feature_layout()
    found = [guide.in_channels for guide in mask_refiner.guides]
    if (found, list(mask_refiner.scales)) != (list(channels), list(scales)):
        raise ValueError(f"the mask refiner must have the features {list(channels)} of the VAE, not {found}")
    if mask_refiner.last_edge * mask_refiner.scales[-1] != vae.factor:
        raise ValueError(f"the mask refiner must have the factor {vae.factor} of the VAE")
    patch = PatchSettings(**values)
    cell = vae.factor * 2 ** (len(vector_field.unet.block_out_channels) - 1)
    if patch.multiple % cell:
        raise ValueError(f"patch.multiple is {patch.multiple}; these networks need a multiple of {cell}")
    if patch.max_size < patch.multiple:
        raise ValueError(f"patch.max_size is {patch.max_size}; it must be at least patch.multiple, {patch.multiple}")
    if patch.min_box_mm > patch.max_box_mm:
        raise ValueError(f"patch.min_box_mm is {patch.min_box_mm:g}, above patch.max_box_mm, {patch.max_box_mm:g}")
    return patch


def _check_use(name: str, own: dict[str, Any], variant: str) -> None:
    """Rejects networks with which the caller would make wrong tumors."""
    found = own.get("variant", "")
    if found and found != variant:
        raise ModelBundleError(
            f"The bundle {name} is the variant {found} of a study, and only that study can use it; use a bundle from "
            "`tumorgen train generator`."
        )
    if variant and not found:
        raise ModelBundleError(f"The bundle {name} is not the variant {variant} of a study; train it again.")
    if not variant and own["condition"] != "before":
        raise ModelBundleError(
            f"The bundle {name} was trained with the condition {own['condition']!r}. This version uses only bundles "
            "with the condition 'before'; train it again."
        )


def _without_switches(name: str, networks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Constructor arguments of each network, without the switch ``box_channel`` of version 0.4.1 and before."""
    arguments = {key: dict(values) for key, values in networks.items()}
    if arguments["vector_field"].pop("box_channel", True) is not True:
        raise ModelBundleError(
            f"The vector field of bundle {name} was trained without the box channel. This version cannot use such "
            "bundles; train it again."
        )
    return arguments


def _load_lesions(folder: Path, own: dict[str, Any]) -> TrainingLesions | None:
    """Reads the thumbnails; None if the bundle has none. Damaged thumbnails are an error, as damaged weights are."""
    if "training_lesions" not in own:
        return None
    file = _checked_file(folder, _LESIONS, own["training_lesions"])
    try:
        return TrainingLesions.load(file)
    except ValueError as error:
        raise ModelBundleError(f"{file.name} of bundle {folder.name} is wrong: {error}. Install it again.") from error


def _checked_file(folder: Path, name: str, hashes: dict[str, str]) -> Path:
    file = folder / "models" / name
    if not file.is_file():
        raise ModelBundleError(f"The bundle {folder.name} has no file {file.name}; install it again.")
    if sha256_of(file) != hashes[name]:
        raise ModelBundleError(
            f"The hash of {file.name} of bundle {folder.name} differs from the hash in its metadata. "
            "The file is damaged, truncated or was replaced. Install the bundle again."
        )
    return file


def _load_network(folder: Path, key: str, arguments: dict[str, dict[str, Any]], own: dict[str, Any]) -> nn.Module:
    file = _checked_file(folder, f"{key}.safetensors", own["weights"])
    try:
        state = {name: t.float() if t.is_floating_point() else t for name, t in load_file(file).items()}
        with torch.device("meta"):  # Has shapes without memory: metadata may ask for a network that fits into none.
            network = _NETWORKS[key](**arguments[key])
        shapes = network.state_dict()
        if wrong := [name for name, t in state.items() if name in shapes and t.dtype != shapes[name].dtype]:
            raise ValueError(f"{wrong[0]} has the type {state[wrong[0]].dtype}")
        if wrong := [name for name, t in state.items() if not t.isfinite().all()]:
            raise ValueError(f"{wrong[0]} has values that are not finite")
        network.load_state_dict(state, assign=True)
    except (SafetensorError, RuntimeError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise ModelBundleError(
            f"{file.name} of bundle {folder.name} does not fit the network in its metadata: {error}. Install it again."
        ) from error
    return network.eval().requires_grad_(False)


def _metadata(bundle: ModelBundle, weights: dict[str, str]) -> dict[str, Any]:
    import monai
    import numpy

    spatial = [f"{bundle.patch.multiple}*n"] * 3
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
        "version": bundle.version,
        "changelog": {bundle.version: "trained with tumorgen train"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": numpy.__version__,
        "required_packages_version": {"safetensors": "0.4"},
        "name": bundle.name,
        "task": "Synthesis of a tumor and its mask inside a rough box on FDG-PET",
        "description": bundle.notes.get("description", ""),
        "authors": bundle.notes.get("authors", ""),
        "copyright": bundle.notes.get("license", ""),
        "data_source": bundle.notes.get("data_source", ""),
        "data_type": "nifti",
        "intended_use": "Research only. Synthetic, not for diagnosis.",
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "SUV",
                    "modality": "PT",
                    "num_channels": 1,
                    "spatial_shape": spatial,
                    "dtype": "float32",
                    "value_range": [-1, 1],
                    "is_patch_data": True,
                    "channel_def": {"0": "PET on the network scale"},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "SUV and probability",
                    "num_channels": 2,
                    "spatial_shape": spatial,
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": {"0": "PET on the network scale", "1": "tumor probability"},
                }
            },
        },
        "tumorgen": {
            "format_version": FORMAT_VERSION,
            "networks": bundle.network_arguments,
            "intensity_scale": bundle.scale.as_dict(),
            "patch": asdict(bundle.patch),
            "latent_mean": bundle.latent_mean,
            "latent_deviation": bundle.latent_deviation,
            # A variant has no condition, so that version 0.4.1 and before, without variants, rejects it too.
            **({"variant": bundle.variant} if bundle.variant else {"condition": "before"}),
            "sampling": bundle.sampling.as_dict(),
            "uptake": bundle.uptake.as_dict(),
            "fill": bundle.fill.as_dict(),
            "noise": bundle.noise.as_dict(),
            "tuning": bundle.tuning.as_dict(),
            "weights": weights,
            "notes": bundle.notes,
        },
    }


def _joint_hash(weights: dict[str, str]) -> str:
    return hashlib.sha256("".join(weights[name] for name in sorted(weights)).encode()).hexdigest()
