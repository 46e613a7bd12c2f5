"""Dates of a series, moved by a number of days; times of day stay. What is no date or time of DICOM is dropped."""

from __future__ import annotations

import re
from datetime import date, timedelta

__all__ = ["kept_time", "shifted_date", "shifted_moment"]

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")  # older programs wrote points between the parts
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(\.\d{1,6})?)?)?")
_MOMENT = re.compile(r"(\d{8})(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?([+-]\d{4})?")


def shifted_date(text: str, days: int) -> str:
    """Returns a date (DA) some days later; empty if the text is no date."""
    found = _DATE.fullmatch(text)
    if found is None:
        return ""
    try:
        year, month, day = map(int, found.groups())
        return (date(year, month, day) + timedelta(days)).isoformat().replace("-", "")
    except (ValueError, OverflowError):
        return ""


def shifted_moment(text: str, days: int) -> str:
    """Returns a date with time (DT) some days later, with the same time and offset; empty if it has no whole date."""
    found = _MOMENT.fullmatch(text)
    day = shifted_date(found[1], days) if found else ""
    return f"{day}{found[2] or ''}{found[3] or ''}" if found and day else ""


def kept_time(text: str) -> str:
    """Returns a time of day (TM) without colons; empty if the text is no time."""
    found = _TIME.fullmatch(text)
    return "".join(part or "" for part in found.groups()) if found else ""
