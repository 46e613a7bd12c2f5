"""Dates move by days across months and years; times stay; what is neither is dropped."""

import pytest

from TumorGenCore.dicom_study.dates import kept_time, shifted_date, shifted_moment


@pytest.mark.parametrize(
    ("text", "days", "expected"),
    [
        ("20200301", -1, "20200229"), ("2020.01.01", -366, "20181231"), ("20201301", -1, ""), ("JANE DOE", -1, ""),
        ("00010101", -1, ""), ("", -1, ""), ("20200101CANARY", -1, ""),
    ],
)  # fmt: skip
def test_dates(text, days, expected):
    assert shifted_date(text, days) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20200301123456.789+0100", "20200229123456.789+0100"), ("20200301", "20200229"), ("202003", ""),
        ("20200301 JANE", ""),
    ],
)  # fmt: skip
def test_moments(text, expected):
    assert shifted_moment(text, -1) == expected


@pytest.mark.parametrize(("text", "expected"), [("123456.5", "123456.5"), ("12:34:56", "123456"), ("WARD 12", "")])
def test_times(text, expected):
    assert kept_time(text) == expected
