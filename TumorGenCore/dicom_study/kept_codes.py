"""Codes of a scan that are known here, written anew: nuclide, tracer and how the patient lay."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from TumorGenCore.dicom_study.kept_tags import keep_dates, keep_numbers, keep_times, raw_values
from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.nuclides import named_nuclide

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["keep_injections", "keep_orientation"]


class _Code(NamedTuple):
    """A code of SNOMED CT, with the code of SNOMED RT that older files have."""

    value: str
    former: str
    meaning: str

    def item(self) -> Dataset:
        from pydicom import Dataset

        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = self.value, "SCT", self.meaning
        return item


_FDG = _Code("35321007", "C-B1031", "Fluorodeoxyglucose F^18^")
# PS3.16 CID 19, 20 and 21.
_RECUMBENT = _Code("102538003", "F-10450", "recumbent")
_MODIFIERS = (_Code("40199007", "F-10340", "supine"), _Code("1240000", "F-10310", "prone"))
_GANTRY = (_Code("102540008", "F-10470", "headfirst"), _Code("102541007", "F-10480", "feet-first"))
#: PatientPosition to its codes.
_POSITIONS = {
    f"{gantry}{side}": (_MODIFIERS["SP".index(side)], _GANTRY[("HF", "FF").index(gantry)])
    for gantry in ("HF", "FF")
    for side in "SP"
}


def keep_injections(source: Dataset, target: Dataset, days: int) -> None:
    """Copies dose, half-life, time, nuclide and tracer of each injection; without injections, the sequence is empty."""
    from pydicom import Dataset

    items = []
    for injection in _items(source, "RadiopharmaceuticalInformationSequence"):
        item = Dataset()
        numbers = ("RadionuclideTotalDose", "RadionuclideHalfLife", "RadionuclidePositronFraction")
        keep_numbers(injection, item, numbers)
        keep_times(injection, item, ("RadiopharmaceuticalStartTime",))
        keep_dates(injection, item, ("RadiopharmaceuticalStartDateTime",), days)
        try:
            nuclide = named_nuclide(injection)
        except UnsupportedVolumeError:  # a damaged name is no name
            nuclide = None
        item.RadionuclideCodeSequence = []
        if nuclide is not None:
            meaning = f"^{nuclide.mass}^{nuclide.element.capitalize()}"
            scheme = "SCT" if len(nuclide.codes[0]) > 6 else "DCM"
            item.RadionuclideCodeSequence = [_Code(nuclide.codes[0], "", meaning).item()]
            item.RadionuclideCodeSequence[0].CodingSchemeDesignator = scheme
        if _FDG in _known((_FDG,), injection, "RadiopharmaceuticalCodeSequence"):
            item.RadiopharmaceuticalCodeSequence, item.Radiopharmaceutical = [_FDG.item()], "FDG"
        items.append(item)
    target.RadiopharmaceuticalInformationSequence = items


def keep_orientation(source: Dataset, target: Dataset) -> None:
    """Writes how the patient lay, as codes: PET allows no PatientPosition beside them. Both may be empty."""
    position = "".join(raw_values(source, "PatientPosition"))
    found = _POSITIONS.get(position)
    lying = _items(source, "PatientOrientationCodeSequence")
    for item in lying:
        side = _known(_MODIFIERS, item, "PatientOrientationModifierCodeSequence") or _known(
            _MODIFIERS, source, "PatientOrientationModifierCodeSequence"
        )
        gantry = _known(_GANTRY, source, "PatientGantryRelationshipCodeSequence")
        if side and gantry:
            found = side[0], gantry[0]
    target.PatientOrientationCodeSequence, target.PatientGantryRelationshipCodeSequence = [], []
    if found is not None:
        item = _RECUMBENT.item()
        item.PatientOrientationModifierCodeSequence = [found[0].item()]
        target.PatientOrientationCodeSequence = [item]
        target.PatientGantryRelationshipCodeSequence = [found[1].item()]


def _known(codes: tuple[_Code, ...], source: Dataset, keyword: str) -> list[_Code]:
    values = [value for item in _items(source, keyword) for value in raw_values(item, "CodeValue")]
    return [code for code in codes if {code.value, code.former} & set(values)]


def _items(source: Dataset, keyword: str) -> list[Dataset]:
    from pydicom import Dataset

    try:
        return [item for item in source.get(keyword) or () if isinstance(item, Dataset)]
    except Exception:  # a damaged sequence tells as little as an absent one
        return []
