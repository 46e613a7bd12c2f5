"""Half-lives of the radionuclides of PET, to check the half-life that a DICOM series states."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from TumorGenCore.errors import UnknownUnitsError
from TumorGenCore.volumes.dicom_values import header_items, header_value

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Nuclide", "named_nuclide"]


class Nuclide(NamedTuple):
    """A radionuclide.

    Args:
        symbol: chemical symbol.
        mass: mass number; "m" follows for a metastable state.
        element: English name of the element.
        half_life_s: half-life in seconds.
        codes: its codes in SNOMED CT and, if it has one, in the older SNOMED RT (PS3.16 CID 4020).
    """

    symbol: str
    mass: str
    element: str
    half_life_s: float
    codes: tuple[str, ...]


#: Half-lives from ENSDF (NNDC, Brookhaven), rounded.
_NUCLIDES = (
    Nuclide("C", "11", "carbon", 1221.8, ("40565003", "C-105A1")),
    Nuclide("N", "13", "nitrogen", 597.9, ("21576001", "C-107A1")),
    Nuclide("O", "14", "oxygen", 70.6, ("424875009", "C-1018C")),
    Nuclide("O", "15", "oxygen", 122.24, ("129504001", "C-B1038")),
    Nuclide("F", "18", "fluorine", 6586.2, ("77004003", "C-111A1")),
    Nuclide("Na", "22", "sodium", 8.211e7, ("71633006", "C-155A1")),
    Nuclide("K", "38", "potassium", 458.2, ("423764008", "C-135A4")),
    Nuclide("Sc", "43", "scandium", 14008.0, ("126605",)),
    Nuclide("Sc", "44", "scandium", 14400.0, ("126600",)),
    Nuclide("Ti", "45", "titanium", 11088.0, ("75696008", "C-166A2")),
    Nuclide("Mn", "51", "manganese", 2772.0, ("126601",)),
    Nuclide("Mn", "52", "manganese", 483062.0, ("37225000", "C-149A1")),
    Nuclide("Mn", "52m", "manganese", 1266.0, ("126607",)),
    Nuclide("Fe", "52", "iron", 29790.0, ("69089000", "C-130A1")),
    Nuclide("Cu", "60", "copper", 1422.0, ("425364008", "C-127A4")),
    Nuclide("Cu", "61", "copper", 12020.0, ("71425003", "C-127A1")),
    Nuclide("Cu", "62", "copper", 580.4, ("422934004", "C-127A5")),
    Nuclide("Cu", "64", "copper", 45721.0, ("3932008", "C-127A2")),
    Nuclide("Zn", "62", "zinc", 33094.0, ("65054007", "C-141A1")),
    Nuclide("Ga", "66", "gallium", 33800.0, ("79477007", "C-131A1")),
    Nuclide("Ga", "68", "gallium", 4062.6, ("35337001", "C-131A3")),
    Nuclide("Ge", "68", "germanium", 2.341e7, ("53315004", "C-128A2")),
    Nuclide("As", "70", "arsenic", 3156.0, ("126602",)),
    Nuclide("As", "72", "arsenic", 93600.0, ("2705002", "C-115A2")),
    Nuclide("Se", "73", "selenium", 25740.0, ("87437000", "C-116A2")),
    Nuclide("Br", "75", "bromine", 5802.0, ("17910003", "C-113A1")),
    Nuclide("Br", "76", "bromine", 58320.0, ("79523006", "C-113A2")),
    Nuclide("Br", "77", "bromine", 205344.0, ("86521004", "C-113A3")),
    Nuclide("Rb", "82", "rubidium", 76.0, ("79197006", "C-159A2")),
    Nuclide("Y", "86", "yttrium", 53064.0, ("10738001", "C-162A3")),
    Nuclide("Zr", "89", "zirconium", 282276.0, ("63360001", "C-168A4")),
    Nuclide("Nb", "90", "niobium", 52560.0, ("126603",)),
    Nuclide("Y", "90", "yttrium", 230590.0, ("14691008", "C-162A7")),
    Nuclide("Tc", "94m", "technetium", 3120.0, ("424079002", "C-163AA")),
    Nuclide("I", "124", "iodine", 360806.0, ("40937006", "C-114A5")),
    Nuclide("Tb", "152", "terbium", 63000.0, ("126606",)),
)
_FDG = re.compile(r"\bfdg\b|18fdg|fluorodeoxyglucose|fludeoxyglucose", re.IGNORECASE)


def named_nuclide(injection: Dataset) -> Nuclide | None:
    """Returns the radionuclide that an injection names; None if it names none or one that is not known here.

    The code counts first, then the meanings of the codes, then the text of Radiopharmaceutical.

    Args:
        injection: item of RadiopharmaceuticalInformationSequence.

    Raises:
        UnknownUnitsError: one of these elements is damaged.
    """
    texts = []
    for keyword in ("RadionuclideCodeSequence", "RadiopharmaceuticalCodeSequence"):
        for item in header_items(injection, keyword, UnknownUnitsError):
            code = str(header_value(item, "CodeValue", UnknownUnitsError) or "")
            known = next((nuclide for nuclide in _NUCLIDES if code in nuclide.codes), None)
            if known is not None:
                return known
            texts.append(str(header_value(item, "CodeMeaning", UnknownUnitsError) or ""))
    texts.append(str(header_value(injection, "Radiopharmaceutical", UnknownUnitsError) or ""))
    return next((nuclide for text in texts if (nuclide := _nuclide_in(text)) is not None), None)


def _nuclide_in(text: str) -> Nuclide | None:
    """Finds "F-18", "18F", "^18^Fluorine" or "Fluorine F^18^" in a text; FDG means F-18."""
    text = text.replace("^", "")
    for nuclide in _NUCLIDES:
        name, mass = f"(?:{nuclide.symbol}|{nuclide.element})", nuclide.mass
        if re.search(rf"(?<![a-z0-9])(?:{mass}[ -]?{name}|{name}[ -]?{mass})(?![a-z0-9])", text, re.IGNORECASE):
            return nuclide
    return next(n for n in _NUCLIDES if n.symbol == "F") if _FDG.search(text) else None
