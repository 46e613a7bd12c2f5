"""This repository's files keep the rules of the Extensions Index, also those that are not yet committed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from release.index_rules import ICON_SIZE, OF_AN_EXPORT, RULES, Release, Verdict, judge, png_size
from stub_build import REPOSITORY, Extension

WORKING_TREE = Release(REPOSITORY)


@pytest.fixture(autouse=True, scope="module")
def _needs_git() -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in OF_AN_EXPORT], ids=lambda rule: rule.__name__)
def test_the_working_tree_keeps_the_rule(rule: Callable[[Release], str | None]) -> None:
    finding = judge(rule, WORKING_TREE)
    assert finding.verdict is not Verdict.FAILED, finding.text


def test_cmake_makes_of_the_text_what_the_index_reads(extension: Extension) -> None:
    """The Index reads the text; Slicer packs what CMake makes of it."""
    read = WORKING_TREE.cmake
    assert extension.description == {"NAME": read.project, **read.values}


def test_slicer_suggests_the_extension_for_pet() -> None:
    assert WORKING_TREE.entry["dicom_support_rule"] == "Modality == 'PT'"


def test_the_modules_icon_has_the_size_of_the_extensions() -> None:
    assert png_size(REPOSITORY / "TumorGenSlicer/Resources/Icons/TumorGenSlicer.png") == ICON_SIZE
