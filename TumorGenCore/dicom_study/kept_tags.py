"""What comes along from the headers of a scan: a white list, by kind of value.

A tag is kept only if its value is what its kind says: numbers, dates, times of day, or words of a fixed list. So no
text of a person, a hospital or a vendor gets through, also not in the wrong tag. Codes are not copied: those that are
known are written anew (``kept_codes``). Private tags and all others stay behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from TumorGenCore.dicom_study.dates import kept_time, shifted_date, shifted_moment

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["keep_dates", "keep_numbers", "keep_terms", "keep_times", "keep_zone", "raw_values"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
#: Longest text of a number (DS).
_MOST_CHARACTERS = 16


def raw_values(header: Dataset, keyword: str) -> list[str]:
    """Returns the values of an element as texts, numbers as the file writes them; none if it is absent or damaged."""
    try:
        value = header.get(keyword)
        values = list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
        texts = (getattr(one, "original_string", None) or str(one) for one in values if one is not None)
        return [text.strip("\0 ") for text in texts]
    except Exception:  # pydicom raises many kinds for damaged values, and none of them is needed
        return []


def keep_numbers(source: Dataset, target: Dataset, keywords: Iterable[str]) -> None:
    """Copies numbers, with the digits that the file has if DICOM allows so many."""
    from pydicom.valuerep import format_number_as_ds

    for keyword in keywords:
        texts = raw_values(source, keyword)
        if texts and all(_NUMBER.fullmatch(text) for text in texts):
            short = [text if len(text) <= _MOST_CHARACTERS else format_number_as_ds(float(text)) for text in texts]
            _set(target, keyword, short)


def keep_terms(source: Dataset, target: Dataset, terms: Mapping[str, Iterable[str]]) -> None:
    """Copies words that are on a list.

    Args:
        source: header of the scan.
        target: gets the words.
        terms: keyword to the words that are kept; others are dropped.
    """
    for keyword, allowed in terms.items():
        known = [text for text in raw_values(source, keyword) if text in allowed]
        if known:
            _set(target, keyword, known)


def keep_times(source: Dataset, target: Dataset, keywords: Iterable[str]) -> None:
    """Copies times of day (TM)."""
    for keyword in keywords:
        if time := "".join(map(kept_time, raw_values(source, keyword)[:1])):
            _set(target, keyword, [time])


def keep_dates(source: Dataset, target: Dataset, keywords: Iterable[str], days: int) -> None:
    """Copies dates (DA) and dates with time (DT), moved by some days."""
    for keyword in keywords:
        shifted = shifted_moment if keyword.endswith("DateTime") else shifted_date
        if date := "".join(shifted(text, days) for text in raw_values(source, keyword)[:1]):
            _set(target, keyword, [date])


def keep_zone(source: Dataset, target: Dataset) -> None:
    """Copies the offset from UTC of the times, which SUV needs if a time has an offset of its own."""
    zone = "".join(raw_values(source, "TimezoneOffsetFromUTC"))
    if re.fullmatch(r"[+-]\d{4}", zone):
        target.TimezoneOffsetFromUTC = zone


def _set(target: Dataset, keyword: str, texts: list[str]) -> None:
    from pydicom.datadict import dictionary_VR

    kind: dict[str, Any] = {"US": int, "IS": int}
    try:
        values = [kind.get(dictionary_VR(keyword), str)(text) for text in texts]
        setattr(target, keyword, values if len(values) > 1 else values[0])
    except (ValueError, OverflowError):  # a number that its kind cannot hold tells nothing
        if keyword in target:
            delattr(target, keyword)
