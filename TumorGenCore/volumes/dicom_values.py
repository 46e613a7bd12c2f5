"""Reads single values of DICOM headers.

pydicom converts a value when a program asks for it, and raises many kinds of exceptions if the bytes are damaged. Here
they become one named error. Messages quote numbers only, because other values may identify a person.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence
from typing import TYPE_CHECKING, Any

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.header_text import decimal

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["element_text", "header_items", "header_number", "header_value", "private_text"]

_NUMBER_VRS = ("DS", "IS", "US", "SS", "UL", "SL", "FL", "FD")


def header_value(dataset: Dataset, keyword: str, error: type[UnsupportedVolumeError] = UnsupportedVolumeError) -> Any:
    """Returns the value of an element; None if the element is absent or empty.

    Args:
        dataset: header, or an item of a sequence.
        keyword: DICOM keyword of the element.
        error: class of the error.

    Raises:
        UnsupportedVolumeError: ``error``, if the bytes of the value cannot be converted.
    """
    try:
        value = dataset.get(keyword)
        if hasattr(value, "__len__") and len(value) == 0:
            return None
        for one in value if isinstance(value, MutableSequence) else (value,):
            if isinstance(text := getattr(one, "original_string", None), str):
                decimal(text)  # pydicom also takes 1_0 for a number
    except Exception as problem:
        from pydicom.tag import Tag  # only here, so that this module loads quickly

        raw = dataset.get_item(Tag(keyword), keep_deferred=True)
        shown = f" ({_shown(raw.value)})" if raw is not None and raw.VR in _NUMBER_VRS else ""
        raise error(
            f"{keyword} of the PET series{shown} is not a valid DICOM value. Export the series again."
        ) from problem
    return value


def header_items(
    dataset: Dataset, keyword: str, error: type[UnsupportedVolumeError] = UnsupportedVolumeError
) -> list[Dataset]:
    """Returns the items of a sequence; empty if it is absent or empty.

    Args:
        dataset: header, or an item of a sequence.
        keyword: DICOM keyword of the sequence.
        error: class of the error.

    Raises:
        UnsupportedVolumeError: ``error``, if the element is no sequence.
    """
    from pydicom import Dataset

    items = list(header_value(dataset, keyword, error) or ())
    if not all(isinstance(item, Dataset) for item in items):
        raise error(f"{keyword} of the PET series is damaged. Export the series again.")
    return items


def header_number(
    dataset: Dataset, keyword: str, error: type[UnsupportedVolumeError] = UnsupportedVolumeError
) -> float | None:
    """Returns the value of an element as a finite number; None if the element is absent or empty.

    Args:
        dataset: header, or an item of a sequence.
        keyword: DICOM keyword of the element.
        error: class of the error.

    Raises:
        UnsupportedVolumeError: ``error``, if the value is not one finite number.
    """
    value = header_value(dataset, keyword, error)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise error(
            f"{keyword} of the PET series is {_shown(value)}, but must be a number with a decimal point. "
            "Export the series again."
        )
    return number


def private_text(dataset: Dataset, group: int, creator: str, element: int) -> str | None:
    """Returns the value of a private element as text; None if the creator has no block or the element is absent.

    Args:
        dataset: header.
        group: odd group number.
        creator: name that reserves the block. The block can have any number from 0x10 to 0xFF.
        element: number of the element within the block, 0 to 0xFF.
    """
    for tag in list(dataset.keys()):
        if tag.group == group and 0x10 <= tag.element <= 0xFF and element_text(dataset, tag) == creator:
            return element_text(dataset, (group, tag.element << 8 | element))
    return None


def element_text(dataset: Dataset, tag: Any) -> str | None:
    """Returns an element as text, also if pydicom does not know its type; None if it is absent.

    Args:
        dataset: header.
        tag: group and element.
    """
    element = dataset.get_item(tag, keep_deferred=True)
    if element is None or element.value is None:
        return None
    value = element.value
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ")


def _shown(value: Any) -> str:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return repr(text.strip("\0 ")[:40])
