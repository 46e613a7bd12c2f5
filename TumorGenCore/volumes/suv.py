"""Units of PET voxels, and the factor from their native values to SUV (body weight).

The factor from DICOM tags follows the vendor-neutral pseudo-code of QIBA (SUV annex of the FDG-PET/CT profile)::

    SUV = voxel value * weight [g] / (injected dose [Bq] * 2 ** (-decay time / half life))

This module reads no tag that identifies a person, and its messages never quote dates.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import SimpleITK as sitk

from TumorGenCore.errors import UnknownUnitsError, UnknownUnitsWarning, UnsupportedVolumeError
from TumorGenCore.volumes.dicom_values import element_text, header_items, header_number, header_value, private_text
from TumorGenCore.volumes.injection_time import GE_PRIVATE, acquisition_times, scan_start, seconds_since_injection
from TumorGenCore.volumes.nuclides import named_nuclide
from TumorGenCore.volumes.voxels import read_slabs

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "SUV_TAGS",
    "TAKEN_AS_SUV",
    "PetUnits",
    "UnknownUnitsWarning",
    "checked_units",
    "units_from_dicom",
    "units_of_image",
]

UnitName = Literal["SUV", "BQML", "CNTS", "unknown"]

_DICOM_UNITS: dict[str, UnitName] = {"GML": "SUV", "BQML": "BQML", "CNTS": "CNTS"}

#: Remark of units that nothing states.
TAKEN_AS_SUV = (
    "The volume does not say its units; its values are taken as SUV (body weight). If this is wrong, give the factor "
    "from voxel values to SUV; if it is right, give 1."
)

_HINT = "Give the factor from voxel values to SUV yourself."

_PHILIPS_GROUP, _PHILIPS_CREATOR = 0x7053, "Philips PET Private Group"
_PHILIPS_SUV_PER_COUNT, _PHILIPS_BQML_PER_COUNT = 0x00, 0x09


def _private_tags(group: int, *elements: int) -> list[tuple[int, int]]:
    """Creators and elements of all blocks of a group: a file can put a creator into any block."""
    blocks = range(0x10, 0x100)
    return [(group, tag) for block in blocks for tag in (block, *(block << 8 | element for element in elements))]


#: Tags (keywords, or group and element) that ``units_from_dicom`` needs; readers can skip all others.
SUV_TAGS: list[Any] = [
    "Manufacturer",
    "Units",
    "SUVType",
    "CorrectedImage",
    "DecayCorrection",
    "PatientWeight",
    "RadiopharmaceuticalInformationSequence",
    "SeriesDate",
    "SeriesTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "TimezoneOffsetFromUTC",
    "FrameReferenceTime",
    "ActualFrameDuration",
    *_private_tags(_PHILIPS_GROUP, _PHILIPS_SUV_PER_COUNT, _PHILIPS_BQML_PER_COUNT),
    *_private_tags(GE_PRIVATE[0], GE_PRIVATE[2]),
]

#: Share by which the stated half-life may differ from the known one: vendors round, and tables differ by 1 %.
_HALF_LIFE_TOLERANCE = 0.05
#: Share by which numbers of the slices may differ: the same number, written with other digits.
_NUMBER_TOLERANCE = 1e-4
#: Every injection for imaging is larger. Below it, the dose is probably in MBq.
_MIN_DOSE_BQ = 1e5
#: Every patient weighs less. Above it, the weight is probably in grams.
_MAX_WEIGHT_KG = 700.0
#: Limits for a whole volume in SUV: even a full bladder stays below the first, and tissue lies above the second.
_IMPLAUSIBLE_HIGH_SUV = 200.0
_IMPLAUSIBLE_LOW_SUV = 0.1


@dataclass(frozen=True)
class PetUnits:
    """Units of a PET volume: SUV = native voxel value * ``suv_factor``.

    Args:
        name: unit of the native values, if known ("CNTS": counts with an SUV factor of the vendor).
        suv_factor: SUV (body weight, g/mL) per native unit.
        source: origin of the factor; "voxel units" means that the volume itself states its units.
        remarks: sentences for the user about the factor: what contradicts itself or is not known, and what was taken.

    Raises:
        UnsupportedVolumeError: the factor is not a positive finite number.
    """

    name: UnitName
    suv_factor: float
    source: Literal["dicom tags", "voxel units", "given", "taken as SUV"]
    remarks: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.suv_factor) and self.suv_factor > 0):
            raise UnsupportedVolumeError(
                f"The SUV factor {self.suv_factor} must be a positive number. It is the SUV per unit of voxel value."
            )

    def with_remedy(self, remedy: str) -> PetUnits:
        """Returns the units with a sentence after each remark: how the user gives the factor in a front end."""
        return replace(self, remarks=tuple(f"{remark} {remedy}" for remark in self.remarks))


def units_of_image(image: sitk.Image, suv_factor: float | None = None) -> PetUnits:
    """Returns the units of an image that does not state them: NIfTI, NRRD, MHA, or an image in memory.

    Args:
        image: 3D scalar PET volume without NaN or Inf.
        suv_factor: SUV per unit of voxel value; None takes the values as SUV.

    Warns:
        UnknownUnitsWarning: ``suv_factor`` is None, or the values do not look like SUV.

    Raises:
        UnsupportedVolumeError: ``suv_factor`` is not a positive finite number.
    """
    if suv_factor is None:
        units = PetUnits("SUV", 1.0, "taken as SUV", (TAKEN_AS_SUV,))
    else:
        units = PetUnits("unknown", float(suv_factor), "given")
    units = checked_units(units, image)
    for remark in units.remarks:
        warnings.warn(remark, UnknownUnitsWarning, stacklevel=2)
    return units


def checked_units(units: PetUnits, image: sitk.Image) -> PetUnits:
    """Returns the units, with a remark if the values times the factor cannot be a PET volume in SUV.

    That is so if the maximum lies below SUV 0.1, or the 99.9th percentile above SUV 200.

    Args:
        units: units of the image, with the factor to SUV.
        image: 3D scalar image.
    """
    highest = max(float(slab.max()) for _, slab in read_slabs(image)) * units.suv_factor
    high = highest
    if highest > _IMPLAUSIBLE_HIGH_SUV:
        values = sitk.GetArrayViewFromImage(image)
        # A few hundred thousand voxels are enough for a percentile, and keep it quick on whole-body volumes.
        sample = values.ravel()[:: max(1, values.size // 500_000)]
        high = float(np.percentile(sample, 99.9)) * units.suv_factor
    if high > _IMPLAUSIBLE_HIGH_SUV:
        odd = f"the 99.9th percentile would be SUV {high:.4g}, above {_IMPLAUSIBLE_HIGH_SUV:g}; is it in Bq/mL?"
    elif highest < _IMPLAUSIBLE_LOW_SUV:
        odd = f"the maximum would be SUV {highest:.4g}, below {_IMPLAUSIBLE_LOW_SUV:g}."
    else:
        return units
    remark = (
        f"The values do not look like SUV (factor {units.suv_factor:.6g}, {units.source}): {odd} "
        "Check the factor from voxel values to SUV."
    )
    return replace(units, remarks=tuple(dict.fromkeys((*units.remarks, remark))))


def units_from_dicom(slices: Sequence[Dataset], suv_factor: float | None = None) -> PetUnits:
    """Returns units and SUV factor from the tags of all slices of one DICOM PET series, in any order.

    ``remarks`` of the result says what contradicts itself and was read nevertheless.

    Args:
        slices: headers with at least ``SUV_TAGS``.
        suv_factor: replaces the factor from the tags. Both factors apply to rescaled values
            (stored value * RescaleSlope + RescaleIntercept).

    Raises:
        UnsupportedVolumeError: a tag is missing or wrong, or differs between the slices; the message names it.
    """
    first = slices[0]
    _require_same(slices, _text, "Units", "SUVType", "DecayCorrection")
    _require_same(slices, lambda header, _: {"ATTN", "DECY"} & set(_corrections(header)), "CorrectedImage")
    if suv_factor is not None:
        return PetUnits(_DICOM_UNITS.get(str(_value(first, "Units")).upper(), "unknown"), float(suv_factor), "given")
    units = str(_required(first, "Units")).upper()
    if "ATTN" not in _corrections(first):
        raise UnknownUnitsError(
            f"CorrectedImage of the PET series does not list ATTN, so the values may not be quantitative. {_HINT}"
        )
    if units == "GML":
        suv_type = str(_value(first, "SUVType") or "BW").upper()  # a missing SUVType means body weight (PS3.3 C.8.9.1)
        if suv_type != "BW":
            raise UnknownUnitsError(f"SUVType of the PET series is {suv_type}, but TumorGen knows only BW. {_HINT}")
        return PetUnits("SUV", 1.0, "dicom tags")
    if units == "BQML":
        factor, remarks = _suv_per_bqml(slices)
        return PetUnits("BQML", factor, "dicom tags", remarks)
    if units == "CNTS":
        factor, remarks = _suv_per_count(slices)
        return PetUnits("CNTS", factor, "dicom tags", remarks)
    raise UnknownUnitsError(f"Units of the PET series is {units}, but TumorGen knows only BQML, GML and CNTS. {_HINT}")


def _suv_per_count(slices: Sequence[Dataset]) -> tuple[float, tuple[str, ...]]:
    """Returns the SUV per count, from the private Philips factor to SUV or to Bq/mL, and remarks."""
    direct = _philips_factor(slices, _PHILIPS_SUV_PER_COUNT)
    if direct is not None:
        return direct
    activity = _philips_factor(slices, _PHILIPS_BQML_PER_COUNT)
    if activity is not None:
        factor, remarks = _suv_per_bqml(slices)
        return activity[0] * factor, activity[1] + remarks
    raise UnknownUnitsError(
        "Units of the PET series is CNTS, but both factors of Philips, (7053,1000) and (7053,1009), are missing. "
        f"{_HINT}"
    )


def _philips_factor(slices: Sequence[Dataset], element: int) -> tuple[float, tuple[str, ...]] | None:
    """Returns a factor from the private block of Philips, and remarks; None if it is absent, empty or 0."""
    tag = (_PHILIPS_GROUP, 0x1000 | element)
    name = f"({tag[0]:04x},{tag[1]:04x})"
    factors: list[float] = []
    remarks: tuple[str, ...] = ()
    for header in slices:
        text = private_text(header, _PHILIPS_GROUP, _PHILIPS_CREATOR, element)
        if text is None and (_PHILIPS_GROUP, 0x10) not in header and tag in header:
            text = element_text(header, tag)
            remarks = (
                f"The private element {name} has no creator. TumorGen takes it as the factor of Philips. If this is "
                "wrong, give the factor from voxel values to SUV.",
            )
        try:
            factors.append(float(text or 0))
        except ValueError:
            raise UnknownUnitsError(
                f"{name}, the factor of Philips, is {str(text)[:40]!r}, which is no number. {_HINT}"
            ) from None
    if not all(math.isclose(factor, factors[0], rel_tol=_NUMBER_TOLERANCE) for factor in factors):
        raise UnsupportedVolumeError(
            f"{name}, the factor of Philips, differs between the slices ({min(factors):g} to {max(factors):g}), so one "
            "factor does not fit all slices. Give the slices of one volume."
        )
    return (factors[0], remarks) if factors[0] > 0 else None


def _suv_per_bqml(slices: Sequence[Dataset]) -> tuple[float, tuple[str, ...]]:
    """Returns the SUV per Bq/mL, and remarks."""
    first = slices[0]
    _require_same(slices, _number, "PatientWeight")
    weight_kg = _positive(first, "PatientWeight")
    if weight_kg > _MAX_WEIGHT_KG:
        raise UnknownUnitsError(f"PatientWeight {weight_kg:g} cannot be in kg. {_HINT}")
    injection = _injection(slices)
    dose_bq = _positive(injection, "RadionuclideTotalDose")
    if dose_bq < _MIN_DOSE_BQ:
        raise UnknownUnitsError(f"RadionuclideTotalDose {dose_bq:g} is too small to be in Bq (MBq?). {_HINT}")
    half_life_s = _positive(injection, "RadionuclideHalfLife")

    correction = str(_required(first, "DecayCorrection")).upper()
    if (correction != "NONE") != ("DECY" in _corrections(first)):
        raise UnknownUnitsError(
            f"DecayCorrection is {correction}, but CorrectedImage contradicts it about DECY. {_HINT}"
        )
    if correction == "ADMIN":
        decay_s, remarks = 0.0, tuple[str, ...]()
    elif correction in ("START", "NONE"):
        _check_half_life(injection, half_life_s)
        decay_s, remarks = _decay(slices, correction, injection, half_life_s)
    else:
        raise UnknownUnitsError(
            f"DecayCorrection is {correction}, but TumorGen knows only START, ADMIN and NONE. {_HINT}"
        )
    return weight_kg * 1000.0 / (dose_bq * 2.0 ** (-decay_s / half_life_s)), remarks


def _injection(slices: Sequence[Dataset]) -> Dataset:
    """Returns the injection of the series, which must be one and the same in all slices."""
    keyword = "RadiopharmaceuticalInformationSequence"
    injections = []
    for header in slices:
        items = header_items(header, keyword, UnknownUnitsError)
        if len(items) != 1:
            raise UnknownUnitsError(f"{keyword} has {len(items)} items, but there must be one injection. {_HINT}")
        injections.append(items[0])
    _require_same(injections, _number, "RadionuclideTotalDose", "RadionuclideHalfLife")
    _require_same(injections, _text, "RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime")
    return injections[0]


def _check_half_life(injection: Dataset, half_life_s: float) -> None:
    nuclide = named_nuclide(injection)
    if nuclide is not None and abs(half_life_s / nuclide.half_life_s - 1.0) > _HALF_LIFE_TOLERANCE:
        raise UnknownUnitsError(
            f"RadionuclideHalfLife is {half_life_s:g} s, but the series names {nuclide.symbol}-{nuclide.mass}, whose "
            f"half-life is {nuclide.half_life_s:g} s. One of the two is wrong. {_HINT}"
        )


def _decay(
    slices: Sequence[Dataset], correction: str, injection: Dataset, half_life_s: float
) -> tuple[float, tuple[str, ...]]:
    """Returns the seconds from the injection to the time of the values, and remarks."""
    if correction == "START":
        _require_same(slices, _text, "SeriesDate", "SeriesTime")
        start, remarks = scan_start(slices, injection, half_life_s)
    else:
        starts = set(acquisition_times(slices))
        if len(starts) > 1:
            raise UnsupportedVolumeError(
                f"DecayCorrection is NONE, but the slices have {len(starts)} values of AcquisitionTime, so one "
                "factor does not fit all slices. Correct the series for decay first."
            )
        start, remarks = starts.pop(), ()
    seconds, more = seconds_since_injection(start, slices[0], injection, half_life_s)
    return seconds, remarks + more


def _require_same(datasets: Sequence[Dataset], read: Callable[[Dataset, str], Any], *keywords: str) -> None:
    """Checks that tags have one value in all slices; the message quotes no value, because it may be a date."""
    for keyword in keywords:
        first, *others = (read(dataset, keyword) for dataset in datasets)
        if any(not _equal(first, other) for other in others):
            raise UnsupportedVolumeError(
                f"{keyword} differs between the slices of the PET series, so one factor does not fit all slices. "
                "Give the slices of one volume."
            )


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=_NUMBER_TOLERANCE)
    return bool(a == b)


def _value(dataset: Dataset, keyword: str) -> Any:
    return header_value(dataset, keyword, UnknownUnitsError)


def _text(dataset: Dataset, keyword: str) -> str:
    return str(_value(dataset, keyword) or "").upper()


def _number(dataset: Dataset, keyword: str) -> float | None:
    return header_number(dataset, keyword, UnknownUnitsError)


def _required(dataset: Dataset, keyword: str) -> Any:
    value = _value(dataset, keyword)
    if value is None:
        raise UnknownUnitsError(f"{keyword} is missing from the PET series. {_HINT}")
    return value


def _positive(dataset: Dataset, keyword: str) -> float:
    _required(dataset, keyword)
    number = _number(dataset, keyword)
    if number is None or number <= 0:
        raise UnknownUnitsError(f"{keyword} of the PET series is {number}, but must be a positive number. {_HINT}")
    return number


def _corrections(dataset: Dataset) -> list[str]:
    value = _value(dataset, "CorrectedImage") or []
    return [value] if isinstance(value, str) else [str(item) for item in value]
