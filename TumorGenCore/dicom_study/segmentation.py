"""The DICOM Segmentation of a study; it refers to the PET series of the same study."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from TumorGenCore.dicom_study.identity import Identity, stamp_equipment
from TumorGenCore.dicom_study.rtstruct import tumor_names
from TumorGenCore.volumes.dicom_seg import segmentation

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["study_segmentation"]


def study_segmentation(
    masks: Sequence[sitk.Image], headers: Sequence[Dataset], identity: Identity, provenance: Mapping[str, Any]
) -> Dataset:
    """Returns the BINARY segmentation of the masks, one segment each.

    Args:
        masks: masks on the grid of the slices.
        headers: headers of the new PET series.
        identity: identity of the study.
        provenance: record of the result.
    """
    made = segmentation(masks, tumor_names(masks), [copy.copy(header) for header in headers], provenance)
    identity.stamp(made, headers[0].StudyDate, headers[0].StudyTime)
    stamp_equipment(made, provenance)
    made.SeriesNumber = 2
    return made
