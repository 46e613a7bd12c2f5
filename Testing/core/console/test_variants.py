"""The description of a tumor has the same figures for people and machines."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from TumorGenCore.console.report import Report
from TumorGenCore.console.variants import describe_variant, say_variants, variant_lines
from TumorGenCore.insertion.summary import VariantSummary
from TumorGenCore.interrupts import StopRequest
from TumorGenCore.lesions.measures import LesionMeasures
from TumorGenCore.lesions.quality import QualityScore

QUALITY = QualityScore(
    total=0.5, parts={"uptake": 0.5, "novelty": None}, reasons=("Faint.",), left_out=("No lesions.",)
)
MEASURES = LesionMeasures(volume_ml=3.14159, suv_max=9.0, suv_mean=5.0, suv_peak=7.0, mtv_ml=3.0, tlg=15.0)
EMPTY = LesionMeasures(volume_ml=0.0, suv_max=math.nan, suv_mean=math.nan, suv_peak=math.nan, mtv_ml=0.0, tlg=0.0)


def summary(seed: int, measures: LesionMeasures, parts: dict[str, float]) -> VariantSummary:
    return VariantSummary(seed, measures, QUALITY, (), 0.1, parts, {})


@pytest.fixture
def variant() -> dict:
    return describe_variant(summary(7, MEASURES, {"encode": 0.0123}), [Path("image.nrrd")])


def test_a_description_is_ready_for_json(variant):
    assert json.loads(json.dumps(variant)) == variant
    assert (variant["seed"], variant["volume_ml"], variant["files"]) == (7, 3.142, ["image.nrrd"])
    assert variant["quality"]["total"] == 0.5
    assert variant["parts"] == {"encode": 0.0123}


def test_its_lines_hold_figures_quality_times_and_files(variant):
    assert variant_lines(variant) == [
        "Synthetic tumor, seed 7: 3.1 ml, SUVmax 9.0, peak 7.0, mean 5.0, MTV 3.0 ml, TLG 15 g",
        "  Poor quality, 0.50 (uptake 0.50, novelty -). Faint. No lesions.",
        "  encode 12 ms",
        "  image.nrrd",
    ]


def test_a_tumor_that_did_not_grow_has_no_uptake():
    variant = describe_variant(summary(0, EMPTY, {}), [])
    assert variant["suv_max"] is None
    assert variant_lines(variant)[0] == "Synthetic tumor, seed 0: 0.0 ml"


def test_a_report_says_all_variants_and_that_they_are_synthetic(variant, capsys):
    report = Report("program", False, False, StopRequest())
    report.values = {"variants": [variant, variant], "seconds": {"read": 0.5}}
    say_variants(report)
    said = capsys.readouterr().out.splitlines()
    assert said == [*variant_lines(variant) * 2, "Time: read 0.50 s", "Synthetic, not for diagnosis."]
