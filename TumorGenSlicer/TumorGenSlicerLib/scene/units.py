"""Units of a volume node's voxels, and their factor to SUV.

The sources, in this order: the caller; TumorGen's own attributes (on a synthetic volume, which has no DICOM identity);
the voxel units that the node states; the DICOM series of the node. If none of them tells, the values count as SUV.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import slicer

from TumorGenCore.errors import UnknownUnitsError
from TumorGenCore.volumes.person import PERSON_TAGS, Person, person_of
from TumorGenCore.volumes.suv import SUV_TAGS, TAKEN_AS_SUV, PetUnits, units_from_dicom

__all__ = ["dicomFiles", "personOfVolume", "remarksOfVolume", "setRemarks", "setUnits", "unitsOfVolume"]

_FACTOR, _NAME, _SOURCE = "TumorGen.suv_factor", "TumorGen.input_units", "TumorGen.suv_factor_source"
_UNIT_REMARKS, _REMARKS = "TumorGen.suv_factor_remarks", "TumorGen.remarks"
#: DICOM code of the quantity "Standardized Uptake Value".
_SUV_QUANTITY = "126400"
_SUV_CODES = ("{suvbw}g/ml", "g/ml{suvbw}", "g/ml")


def unitsOfVolume(volumeNode: Any, suvFactor: float | None = None, quick: bool = False) -> PetUnits:
    """Units of a volume node.

    Args:
        volumeNode: a scalar volume.
        suvFactor: SUV per unit of voxel value, if the caller knows it.
        quick: read only one slice of the DICOM series; the factor may then be that of another bed position.

    Raises:
        UnknownUnitsError: the units do not lead to SUV, or a DICOM tag is missing.
        UnsupportedVolumeError: an unusable factor (raised by ``PetUnits``).
    """
    if suvFactor is not None:
        return PetUnits("unknown", float(suvFactor), "given")
    own = _ownUnits(volumeNode)
    if own is not None:
        return own
    code = _unitsCode(volumeNode)
    if code in _SUV_CODES:
        return PetUnits("SUV", 1.0, "voxel units")
    if code.startswith("{suv"):
        raise UnknownUnitsError(
            f"The voxels are in {code}, but TumorGen knows only SUV by body weight. Give the factor to it yourself."
        )
    # Slicer has applied a real world value mapping whose units it could not read. The voxels are SUV already, so the
    # factor from the tags must not be applied again.
    isMapped = volumeNode.GetAttribute("DICOM.RWV.instanceUID") is not None and not code
    files = [] if isMapped else dicomFiles(volumeNode, quick)
    if files:
        return _unitsOfFiles(tuple(files))
    if "bq" in code:
        raise UnknownUnitsError(
            f"The voxels are in {code}, and the DICOM series with dose and weight is not in the database. "
            "Give the factor to SUV yourself."
        )
    return PetUnits("SUV", 1.0, "taken as SUV", (TAKEN_AS_SUV,))


def setUnits(volumeNode: Any, units: PetUnits) -> None:
    """Stores units that are known from elsewhere on a volume node, for ``unitsOfVolume``."""
    volumeNode.SetAttribute(_FACTOR, repr(units.suv_factor))
    volumeNode.SetAttribute(_NAME, units.name)
    volumeNode.SetAttribute(_SOURCE, units.source)
    volumeNode.SetAttribute(_UNIT_REMARKS, "\n".join(units.remarks) or None)


def setRemarks(volumeNode: Any, remarks: Sequence[str]) -> None:
    """Stores what was odd in the file of a volume node (``PetVolume.remarks``), for ``remarksOfVolume``."""
    volumeNode.SetAttribute(_REMARKS, "\n".join(remarks) or None)


def remarksOfVolume(volumeNode: Any) -> tuple[str, ...]:
    """Sentences for the user about what was odd in the file of the volume; none if Slicer has read it."""
    return tuple((volumeNode.GetAttribute(_REMARKS) or "").splitlines())


def personOfVolume(volumeNode: Any) -> Person:
    """Facts about the person of a volume, for the truth table only; unknown if the DICOM database lacks its series."""
    files = dicomFiles(volumeNode, quick=True)
    try:
        import pydicom  # Slicer includes it. It is slow to import, and most volumes do not need it.

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of pydicom may quote a person's tags
            tags = list(PERSON_TAGS)
            return person_of([pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags) for file in files])
    except Exception:  # pydicom raises many kinds for damaged files
        return Person()


def _ownUnits(volumeNode: Any) -> PetUnits | None:
    factor = volumeNode.GetAttribute(_FACTOR)
    if factor is None:
        return None
    name, source = volumeNode.GetAttribute(_NAME), volumeNode.GetAttribute(_SOURCE)
    remarks = tuple((volumeNode.GetAttribute(_UNIT_REMARKS) or "").splitlines())
    if not remarks and source == "taken as SUV":  # a synthetic volume has no remarks but those in its provenance
        remarks = (TAKEN_AS_SUV,)
    return PetUnits(name, float(factor), source, remarks)  # type: ignore[arg-type]


def _unitsCode(volumeNode: Any) -> str:
    """UCUM code of the voxels' units, in lower case; empty if the node states none."""
    quantity, units = volumeNode.GetVoxelValueQuantity(), volumeNode.GetVoxelValueUnits()
    code = (units.GetCodeValue() or "") if units is not None else ""
    if not code and quantity is not None and quantity.GetCodeValue() == _SUV_QUANTITY:
        return _SUV_CODES[0]
    return code.lower().replace(" ", "")


def dicomFiles(volumeNode: Any, quick: bool = False) -> list[str]:
    """Files of the series that the node was loaded from; empty unless the DICOM database has them all.

    Args:
        volumeNode: a scalar volume.
        quick: the first file only.
    """
    instances = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None:
        return []
    files = [database.fileForInstance(instance) for instance in (instances[:1] if quick else instances)]
    return files if all(files) else []


@functools.lru_cache(maxsize=16)
def _unitsOfFiles(files: tuple[str, ...]) -> PetUnits:
    """Reads the units once per series, because its hundreds of headers take a second."""
    import pydicom  # Slicer includes it. It is slow to import, and most volumes do not need it.

    try:
        slices = [pydicom.dcmread(file, stop_before_pixels=True, specific_tags=SUV_TAGS) for file in files]
    except Exception as error:  # pydicom raises many kinds for damaged files
        raise UnknownUnitsError(
            "The DICOM files of the volume cannot be read, so its units are not known. "
            "Load the series again, or give the factor to SUV yourself."
        ) from error
    return units_from_dicom(slices)
