"""Writes a model bundle with small untrained networks, which change every voxel that they may change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from TumorGenCore.bundle.model_bundle import ModelBundle, load_bundle, save_bundle
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.intensity import NetworkScale
from TumorGenCore.method.mask_refiner import MaskRefiner
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.method.vector_field import VectorField
from TumorGenCore.volumes.patch import PatchSettings

__all__ = ["tiny_generator", "write_tiny_bundle"]


def write_tiny_bundle(folder: Path) -> Path:
    """Writes the bundle into ``folder``, which becomes its name, and returns the folder."""
    torch.manual_seed(0)
    vae = PetVAE(channels=[8, 16], num_res_blocks=[1, 1], norm_num_groups=4)
    feature_channels, feature_scales = vae.feature_layout()
    arguments: dict[str, dict[str, Any]] = {
        "vae": {"channels": [8, 16], "num_res_blocks": [1, 1], "norm_num_groups": 4},
        "vector_field": {"channels": [8, 16, 16], "num_head_channels": 8},
        "mask_refiner": {"feature_channels": feature_channels, "feature_scales": feature_scales, "channels": 8},
    }
    networks = (vae, VectorField(**arguments["vector_field"]), MaskRefiner(**arguments["mask_refiner"]))
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():  # MONAI starts some layers at zero; here each has an effect.
                parameter.add_(0.1 * torch.randn_like(parameter))
    bundle = ModelBundle(
        name=folder.name,
        version="0.1",
        vae=networks[0],
        vector_field=networks[1],
        mask_refiner=networks[2],
        network_arguments=arguments,
        scale=NetworkScale(),
        patch=PatchSettings(spacing_mm=5.0, context_mm=5.0, min_box_mm=10.0, max_box_mm=300.0),
        latent_mean=[0.1, -0.2, 0.3, 0.0],
        latent_deviation=[0.5, 1.0, 2.0, 1.5],
        notes={"description": "untrained, for tests"},
    )
    save_bundle(bundle, folder, card="# tiny\n")
    return folder


def tiny_generator(folder: Path, training: list[str], held_out: list[str]) -> TumorGenerator:
    """Loads a tiny bundle that says which cases it learned from and which were held out, and samples in one step."""
    bundle = load_bundle(folder)
    bundle.notes["cases"] = {"training": training, "validation": held_out}
    return TumorGenerator(replace(bundle, sampling=Sampling(steps=1)), device="cpu")
