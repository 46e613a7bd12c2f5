"""Quantiles of large data sets, read from a file of the user."""

from __future__ import annotations

import json

import pytest

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.features.field_statistics import read_field_statistics


def test_field_statistics_are_read_by_our_names_and_a_foreign_file_is_refused(tmp_path):
    file = tmp_path / "field.json"
    file.write_text(json.dumps({"set": {"quantile_levels": [0.5], "suvmax": [9.0], "sphericity": [0.5]}}))
    assert read_field_statistics(file) == {"set": {"levels": [0.5], "quantiles": {"suv_max": [9.0]}}}
    for text in (
        '{"set": {"suvmax": [9.0]}}',
        '{"set": {"quantile_levels": [0.1, 0.5], "suvmax": [9.0]}}',
        "[1]",
        "no",
    ):
        file.write_text(text)
        with pytest.raises(TrainingDataError, match=r"field\.json contains no lesion quantiles"):
            read_field_statistics(file)
