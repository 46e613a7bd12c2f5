"""Reconstruction of a scan by the VAE: peak signal-to-noise ratio and error inside tumors."""

from __future__ import annotations

import numpy as np
import torch

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.stages.autoencoder import psnr
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["evaluate_reconstruction"]


@torch.inference_mode()
def evaluate_reconstruction(bundle: ModelBundle, case: Case, patches: int = 6, size: int = 48, seed: int = 0) -> dict:
    """Reconstructs patches of one case: one on its first tumor, the others at random places in the body.

    Args:
        bundle: bundle with the VAE to measure.
        case: one scan.
        patches: number of patches.
        size: edge of a patch, voxels of the bundle's working spacing.
        seed: seed of the random places.

    Returns:
        ``psnr_db`` over all patch voxels within the scan (network scale, peak to peak 2), and ``tumor_error``, the
        mean |relative SUV error| of tumor voxels above SUV 0.5; None without such voxels.
    """
    rng = np.random.default_rng([seed, len(case.body_lps)])
    centers = [case.lesions[0].points_lps.mean(axis=0)] if case.lesions else []
    while len(centers) < patches:
        centers.append(case.body_lps[rng.integers(len(case.body_lps))])
    grid = Grid.from_image(case.image)
    truth, made, errors = [], [], []
    for center in centers:
        box = Box((center[0], center[1], center[2]), (40.0, 40.0, 40.0))
        patch = WorkingPatch.of_size(box, (size, size, size), bundle.patch.spacing_mm)
        suv = torch.from_numpy(patch.sample(case.image))[None, None]
        x = bundle.scale.to_network(suv)
        y = bundle.vae.decode(bundle.vae.encode(x))
        inside = torch.from_numpy(patch.inside(grid))[None, None]
        truth.append(x[inside])
        made.append(y[inside])
        tumor = torch.from_numpy(patch.sample(case.mask))[None, None] > 0.5
        hot = tumor & (suv > 0.5)
        errors.append(((bundle.scale.to_suv(y) - suv).abs() / suv.clamp_min(0.5))[hot])
    return {
        "psnr_db": psnr(torch.cat(made), torch.cat(truth)),
        "tumor_error": float(torch.cat(errors).mean()) if any(len(e) for e in errors) else None,
    }
