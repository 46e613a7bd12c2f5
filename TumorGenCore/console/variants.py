"""Describes a finished tumor for people and machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.console.report import Report

if TYPE_CHECKING:
    from TumorGenCore.insertion.summary import VariantSummary

__all__ = ["describe_variant", "say_variants", "variant_lines"]


def describe_variant(summary: VariantSummary, files: Iterable[Path]) -> dict[str, Any]:
    """Returns a variant as a dict for JSON; unknown figures are None.

    Args:
        summary: figures of the variant.
        files: files that were written for it.
    """
    return {**summary.as_dict(), "files": [str(path) for path in files]}


def variant_lines(variant: Mapping[str, Any]) -> list[str]:
    """Returns the lines of a description: figures, quality, times and files."""
    figures = f"{variant['volume_ml']:.1f} ml"
    if variant["suv_max"] is not None:
        figures += (
            f", SUVmax {variant['suv_max']:.1f}, peak {variant['suv_peak']:.1f}, mean {variant['suv_mean']:.1f}, "
            f"MTV {variant['mtv_ml']:.1f} ml, TLG {variant['tlg']:.0f} g"
        )
    return [
        f"Synthetic tumor, seed {variant['seed']}: {figures}",
        f"  {_quality_line(variant['quality'])}",
        "  " + ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in variant["parts"].items()),
        *(f"  {path}" for path in variant["files"]),
    ]


def say_variants(report: Report) -> None:
    """Prints the variants of the report values, and the ``seconds`` of the parts of the command."""
    for variant in report.values["variants"]:
        for line in variant_lines(variant):
            report.say(line)
    report.say("Time: " + ", ".join(f"{name} {value:.2f} s" for name, value in report.values["seconds"].items()))
    report.say("Synthetic, not for diagnosis.")


def _quality_line(quality: Mapping[str, Any]) -> str:
    parts = ", ".join(f"{name} {'-' if part is None else f'{part:.2f}'}" for name, part in quality["parts"].items())
    judged = f"Quality {quality['total']:.2f}" if quality["passes"] else f"Poor quality, {quality['total']:.2f}"
    return " ".join([f"{judged} ({parts}).", *quality["reasons"], *quality["left_out"]])
