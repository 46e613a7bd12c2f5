"""Times in a DICOM PET series: the start of the scan, and the time between injection and scan.

Times and dates come from clocks and programs that do not agree. Messages give differences in minutes and never quote a
date.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from TumorGenCore.errors import UnknownUnitsError
from TumorGenCore.volumes.dicom_values import header_number, header_value, private_text

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["GE_PRIVATE", "Timed", "acquisition_times", "scan_start", "seconds_since_injection"]

#: Group, creator and element of the scan time of GE.
GE_PRIVATE = (0x0009, "GEMS_PETD_01", 0x0D)

#: No clinical scan starts later than this many half-lives after injection. Above it, a time or the half-life is wrong
#: (in minutes, for example).
_MAX_HALF_LIVES = 6.0
_DAY = timedelta(days=1)
#: No scan lasts longer. A bed position that is earlier than another by more began after midnight.
_LONGEST_SCAN = timedelta(hours=12)
#: Clocks within this time agree.
_CLOCK_TOLERANCE = timedelta(minutes=1)
#: Scanners prepare for some minutes between the series time and the first bed position; F-18 decays by 3 % meanwhile.
_START_TOLERANCE = timedelta(minutes=5)

_HINT = "Give the factor from voxel values to SUV yourself."
_START_TIME, _START_DATETIME = "RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime"


class Timed(NamedTuple):
    """A time that may come with remarks for the user.

    Args:
        start: the moment, in the time zone of the series.
        remarks: what contradicts itself in the header, and what was taken.
    """

    start: datetime
    remarks: tuple[str, ...] = ()


class _Frames(NamedTuple):
    """Start of the scan as FrameReferenceTime tells it: surely between two moments, and the best guess."""

    earliest: datetime
    latest: datetime
    best: datetime

    def fit(self, moment: datetime) -> bool:
        """Whether the scan can have begun at this moment."""
        return self.earliest - _START_TOLERANCE <= moment <= self.latest + _START_TOLERANCE


def acquisition_times(slices: Sequence[Dataset]) -> list[datetime]:
    """Returns AcquisitionDate + AcquisitionTime of each slice.

    Some scanners do not change the date at midnight; their times after midnight get the next day.

    Raises:
        UnknownUnitsError: a date or time is missing or wrong.
    """
    times = [_moment(header, "Acquisition") for header in slices]
    latest = max(times)
    return [time + _DAY if latest - time > _LONGEST_SCAN else time for time in times]


def scan_start(slices: Sequence[Dataset], injection: Dataset, half_life_s: float) -> Timed:
    """Returns the time that the values are decay-corrected to if DecayCorrection is START.

    This is the series time (QIBA). A series time after the first bed position is the time of post-processing: then the
    private time of GE counts, or else the first bed position. FrameReferenceTime is the distance of a bed position
    from the start of the scan; if it contradicts these, it counts, unless it was measured from the injection.

    Args:
        slices: headers of all slices.
        injection: item of RadiopharmaceuticalInformationSequence.
        half_life_s: half-life of the nuclide in seconds.

    Raises:
        UnknownUnitsError: a date or time is missing or wrong.
    """
    series, beds = _moment(slices[0], "Series"), acquisition_times(slices)
    first = min(beds)
    if series > first and (private := private_text(slices[0], *GE_PRIVATE)):
        return Timed(_parse_date(private[:8], "(0009,xx0d)") + _parse_time(private[8:], "(0009,xx0d)"))
    frames = _frames(slices, beds, half_life_s)
    clock = _clock(injection)
    if frames is None or (clock is not None and _clocks_apart(frames.best, clock) <= _START_TOLERANCE):
        return Timed(min(series, first))
    if series <= first and frames.fit(series):
        return Timed(series)
    if series > first and frames.fit(first):
        return Timed(first)
    if frames.fit(series - _DAY):  # the bed positions after midnight have the date of the day before
        return Timed(series)
    return Timed(
        frames.best,
        (
            f"SeriesTime is {_minutes(series - first)} the first bed position, but FrameReferenceTime says that the "
            f"scan began {_minutes(frames.best - first)} it. TumorGen takes FrameReferenceTime. If this is wrong, "
            "give the factor from voxel values to SUV.",
        ),
    )


def seconds_since_injection(
    scan: datetime, header: Dataset, injection: Dataset, half_life_s: float
) -> tuple[float, tuple[str, ...]]:
    """Returns the seconds from injection to scan, and remarks for the user.

    De-identification often shifts or removes the date of the injection. Then the time of day counts, on the day before
    if the scan ran past midnight.

    Args:
        scan: start of the scan, in the time zone of the series.
        header: header of a slice, for TimezoneOffsetFromUTC.
        injection: item of RadiopharmaceuticalInformationSequence.
        half_life_s: half-life of the nuclide in seconds.

    Raises:
        UnknownUnitsError: the time of injection is missing or wrong, lies after the scan or too long before it, or its
            day is needed and not known.
    """
    longest = _MAX_HALF_LIVES * half_life_s
    dated, clock = _dated(header, injection), _clock(injection)
    if dated is None and clock is None:
        raise UnknownUnitsError(
            f"{_START_TIME} is missing from the PET series, and {_START_DATETIME} is missing too or has an offset from "
            f"UTC that cannot be used without TimezoneOffsetFromUTC. {_HINT}"
        )
    if dated is None:
        assert clock is not None
        return _by_time_of_day(scan, clock, _START_TIME, half_life_s)
    since = (scan - dated).total_seconds()
    if clock is None or _clocks_apart(dated, clock) <= _CLOCK_TOLERANCE:
        if 0 <= since <= longest:
            return since, ()
        if -_LONGEST_SCAN.total_seconds() < since < 0:
            raise _after_scan(_START_DATETIME, -since)
        return _by_time_of_day(scan, dated - _midnight(dated), _START_DATETIME, half_life_s)
    others = (
        (scan - _midnight(dated) - clock).total_seconds(),
        (scan - _midnight(scan) - clock).total_seconds() % _DAY.total_seconds(),
    )
    taken = next((seconds for seconds in (*others, since) if 0 <= seconds <= longest), None)
    by_clock = next((seconds for seconds in others if 0 <= seconds <= longest), others[0])
    said = (
        f"{_START_TIME} and {_START_DATETIME} disagree: the injection was {by_clock / 60:.0f} min before the scan by "
        f"the first and {f'{since / 60:.0f} min' if abs(since) < _DAY.total_seconds() else 'days'} by the second."
    )
    if taken is None:
        raise UnknownUnitsError(f"{said} Neither can be right. {_HINT}")
    return taken, (f"{said} TumorGen takes {taken / 60:.0f} min. If this is wrong, give the factor to SUV.",)


def _by_time_of_day(
    scan: datetime, clock: timedelta, keyword: str, half_life_s: float
) -> tuple[float, tuple[str, ...]]:
    same_day = (scan - _midnight(scan) - clock).total_seconds()
    elapsed = same_day % _DAY.total_seconds()
    longest = _MAX_HALF_LIVES * half_life_s
    if elapsed > longest:
        if same_day < 0:
            raise _after_scan(keyword, -same_day)
        raise UnknownUnitsError(
            f"{keyword} is {elapsed / 60:.0f} min before the scan, more than {_MAX_HALF_LIVES:g} times the "
            f"RadionuclideHalfLife of {half_life_s:g} s. One of the two is wrong. {_HINT}"
        )
    if longest < _DAY.total_seconds():
        return elapsed, ()
    unknown = (
        f"The nuclide has a half-life of {half_life_s / 3600:.0f} h, and the series does not tell the day of the "
        "injection."
    )
    if half_life_s > _DAY.total_seconds():
        raise UnknownUnitsError(f"{unknown} {_HINT}")
    return elapsed, (f"{unknown} It is taken as {elapsed / 60:.0f} min before the scan; give the factor if not.",)


def _after_scan(keyword: str, seconds: float) -> UnknownUnitsError:
    return UnknownUnitsError(
        f"{keyword} is {seconds / 60:.0f} min after the start of the scan, but the injection must come before it. "
        f"One of the two times is wrong. {_HINT}"
    )


def _frames(slices: Sequence[Dataset], beds: Sequence[datetime], half_life_s: float) -> _Frames | None:
    """Returns what FrameReferenceTime tells about the start of the scan; None if it tells nothing.

    It is the time of the mean count rate of a frame, or its start (GE), in ms after the start of the scan. It tells
    nothing if it is never longer than a frame, or if the bed positions lead to different starts.
    """
    references = [header_number(header, "FrameReferenceTime", UnknownUnitsError) for header in slices]
    durations = [header_number(header, "ActualFrameDuration", UnknownUnitsError) for header in slices]
    of_ge = str(header_value(slices[0], "Manufacturer", UnknownUnitsError) or "").upper().startswith("GE")
    earliest, best = [], []
    for bed, reference, duration in zip(beds, references, durations, strict=True):
        if reference is None or duration is None or not (0 < duration < 1e8 and abs(reference) < 1e9):
            return None
        start = bed - timedelta(milliseconds=reference)
        earliest.append(start)
        mean = 0.0 if of_ge else _mean_count_time(duration / 1000.0, half_life_s)
        best.append(start + timedelta(seconds=mean))
    longest = max(d for d in durations if d is not None)
    if max(r for r in references if r is not None) <= longest or max(best) - min(best) > _CLOCK_TOLERANCE:
        return None
    frame = timedelta(milliseconds=longest)
    return _Frames(min(earliest), max(earliest) + frame, min(best))


def _mean_count_time(duration_s: float, half_life_s: float) -> float:
    """Seconds from the start of a frame to the time of its mean count rate."""
    rate = math.log(2.0) / half_life_s
    decay = rate * duration_s
    return math.log(decay / -math.expm1(-decay)) / rate


def _dated(header: Dataset, injection: Dataset) -> datetime | None:
    """Returns RadiopharmaceuticalStartDateTime in the time zone of the series; None if it has no usable value."""
    text = str(header_value(injection, _START_DATETIME, UnknownUnitsError) or "").strip()
    match = re.fullmatch(r"(\d{8})(\d{2,6}(?:\.\d*)?)([+-]\d{4})?", text)
    if match is None:
        return None
    moment = _parse_date(match[1], _START_DATETIME) + _parse_time(match[2], _START_DATETIME)
    if match[3] is None:
        return moment
    zone = str(header_value(header, "TimezoneOffsetFromUTC", UnknownUnitsError) or "").strip()
    if re.fullmatch(r"[+-]\d{4}", zone) is None:
        return None
    return moment - _offset(match[3]) + _offset(zone)


def _clock(injection: Dataset) -> timedelta | None:
    text = header_value(injection, _START_TIME, UnknownUnitsError)
    return None if text is None else _parse_time(str(text), _START_TIME)


def _offset(text: str) -> timedelta:
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return -offset if text[0] == "-" else offset


def _clocks_apart(moment: datetime, clock: timedelta) -> timedelta:
    apart = abs(moment - _midnight(moment) - clock)
    return min(apart, _DAY - apart)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _minutes(difference: timedelta) -> str:
    minutes = difference.total_seconds() / 60
    return f"{abs(minutes):.0f} min {'after' if minutes >= 0 else 'before'}"


def _moment(dataset: Dataset, prefix: str) -> datetime:
    """Returns SeriesDate + SeriesTime, or AcquisitionDate + AcquisitionTime."""
    date, time = (header_value(dataset, f"{prefix}{part}", UnknownUnitsError) for part in ("Date", "Time"))
    for part, value in (("Date", date), ("Time", time)):
        if value is None:
            raise UnknownUnitsError(f"{prefix}{part} is missing from the PET series. {_HINT}")
    return _parse_date(str(date), f"{prefix}Date") + _parse_time(str(time), f"{prefix}Time")


def _parse_date(text: str, keyword: str) -> datetime:
    try:
        date = datetime.strptime(text.strip().replace(".", ""), "%Y%m%d")
    except ValueError:
        date = datetime.min
    if not 1000 < date.year < 9000:
        raise UnknownUnitsError(f"{keyword} of the PET series is not a DICOM date. {_HINT}")
    return date


def _parse_time(text: str, keyword: str) -> timedelta:
    """Parses HH[MM[SS[.F]]]; old files may have colons."""
    match = re.fullmatch(r"([01]\d|2[0-3])([0-5]\d)?([0-5]\d(?:\.\d*)?)?", text.strip().replace(":", ""))
    if match is None:
        raise UnknownUnitsError(f"{keyword} of the PET series is not a DICOM time. {_HINT}")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
