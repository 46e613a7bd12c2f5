"""Scans on which `tumorgen usefulness` tests a segmenter, and its measures there, among them those of autoPET."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.evaluation.themes.detection import (
    CONTEXT_SHARES,
    FIGURES,
    SearchedScan,
    detection_figures,
    made_small,
    own_size,
)
from TumorGenCore.training.config import SegmenterRun
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.examples import ExampleMaker, ExampleSettings
from TumorGenCore.training.data.shape_library import Shape
from TumorGenCore.volumes.patch import PatchSettings

__all__ = ["SCAN_FIGURES", "scan_figures", "searched_scans", "volume_figures"]

#: Measures of one scan; the last two are those of autoPET, which also has the first.
SCAN_FIGURES = (*FIGURES, "false_positive_ml", "false_negative_ml")
#: Voxels that share a face or an edge are connected, as in autoPET (cc3d with a connectivity of 18).
_CONNECTED = ndimage.generate_binary_structure(3, 2)


def searched_scans(
    held_out: Sequence[Case], segmenter: SegmenterRun, small: int, shaped: int, shapes: Sequence[Shape]
) -> list[SearchedScan]:
    """Returns the scans of the test: whole scans, lesions made small, and lesions of the shapes of a library.

    Args:
        held_out: cases of the test.
        segmenter: settings of the segmenter, for the patches.
        small: lesions made small from each case.
        shaped: lesions of the library's shapes in the healthy tissue of each case, of kind ``shape``.
        shapes: the shapes; there may be none.
    """
    scans = []
    for case in held_out:
        scans.append(own_size(case, segmenter.patch.spacing_mm))
        scans += made_small(case, segmenter.patch, segmenter.offsets, segmenter.patch_size, small, 0)
        scans += _shaped(case, segmenter, shaped if shapes else 0, shapes)
    return scans


def _shaped(case: Case, segmenter: SegmenterRun, count: int, shapes: Sequence[Shape]) -> Iterator[SearchedScan]:
    size, spacing = segmenter.patch_size, segmenter.patch.spacing_mm
    settings = ExampleSettings(transplant_share=1.0, shaped_share=1.0, warp=0.0)
    for n in range(count if len(case.healthy_lps) else 0):
        context_mm = CONTEXT_SHARES[n % len(CONTEXT_SHARES)] * size * spacing
        patch = PatchSettings(spacing, context_mm)
        example = ExampleMaker([case], patch, segmenter.offsets, settings, 0, shapes).example(n, size)
        if not example.transplanted:
            continue
        truth = example.mask > 0.5
        ignored = (example.patch.sample(case.mask) > 0.5) & ~truth
        voxel_ml = float(np.prod(example.patch.grid.spacing_mm)) / 1000
        yield SearchedScan(f"{case.name} shape {n + 1}", case.patient, "shape", example.suv, truth, ignored, voxel_ml)


def scan_figures(found: NDArray[np.bool_], scan: SearchedScan) -> dict[str, float]:
    """Measures a finding in a scan (``SCAN_FIGURES``); see ``detection_figures`` and ``volume_figures``."""
    return {**detection_figures(found, scan), **volume_figures(found, scan)}


def volume_figures(found: NDArray[np.bool_], scan: SearchedScan) -> dict[str, float]:
    """Computes the volumes of autoPET.

    Args:
        found: the segmenter's finding, (k, j, i) on the grid of the scan.
        scan: scan with its tumors.

    Returns:
        ``false_positive_ml``, the volume of the found pieces that overlap no tumor, and ``false_negative_ml``, the
        volume of the tumors of which nothing is found. A piece that overlaps ignored voxels is not false.
    """
    return {
        "false_positive_ml": _apart(found, scan.truth | scan.ignored) * scan.voxel_ml,
        "false_negative_ml": _apart(scan.truth, found) * scan.voxel_ml,
    }


def _apart(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> int:
    """Number of voxels of the pieces of a mask that do not overlap another."""
    pieces, _ = ndimage.label(mask, structure=_CONNECTED)
    return int((mask & ~np.isin(pieces, pieces[mask & other])).sum())
