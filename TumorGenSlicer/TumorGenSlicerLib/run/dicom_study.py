"""Saves a result of the scene as a DICOM study of a synthetic patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Grid
from TumorGenSlicerLib.run.dependencies import ensureDependencies
from TumorGenSlicerLib.scene.geometry import volumeImage
from TumorGenSlicerLib.scene.result_nodes import Variant, tumorMasks
from TumorGenSlicerLib.scene.units import dicomFiles

if TYPE_CHECKING:
    import SimpleITK as sitk

    from TumorGenCore.dicom_study.study import StudySource

__all__ = ["saveDicomStudy"]


def saveDicomStudy(variant: Variant, inputVolume: Any | None, folder: Path) -> bool:
    """Writes PET, SEG and RTSTRUCT of a result, after asking once for highdicom if it is missing.

    The header begins from the DICOM series of the scan if Slicer's database has it and the result is on its grid. Else
    it says SUV and leaves open what nobody knows.

    Args:
        variant: the result.
        inputVolume: volume that it was made from, or None if that has left the scene.
        folder: new folder of the study.

    Returns:
        Whether the header begins from the DICOM series.

    Raises:
        DependencyError: highdicom is missing.
        TumorGenError, OSError: the study cannot be written; nothing is left.
    """
    ensureDependencies(more=("highdicom",))
    from TumorGenCore.dicom_study.study import write_dicom_study

    image = volumeImage(variant.volumeNode)
    masks = [Grid.from_image(image).image_from_array(mask) for mask in tumorMasks(variant) if mask.any()]
    source = _source(inputVolume, image)
    write_dicom_study(folder, image, masks, variant.provenance, source)
    return bool(source.series)


def _source(inputVolume: Any | None, image: sitk.Image) -> StudySource:
    from TumorGenCore.dicom_study.study import StudySource
    from TumorGenCore.volumes.dicom_seg import check_on_slices

    files = dicomFiles(inputVolume) if inputVolume is not None else []
    if files:
        try:
            source = StudySource.of([Path(file) for file in files])
            check_on_slices(image, source.series)
            return source
        except UnsupportedVolumeError:  # moved or resampled since it was loaded
            pass
    return StudySource()
