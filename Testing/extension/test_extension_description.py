"""What the Extensions Index asks of an extension, as far as it can be checked without the network."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from stub_build import REPOSITORY, Extension

ENTRY = REPOSITORY / "Resources" / "ExtensionsIndex" / "TumorGen.json"
HOMEPAGE = "https://github.com/TumorGen/SlicerTumorGen"
RAW = HOMEPAGE.replace("github.com", "raw.githubusercontent.com") + "/main/"
MEGABYTE = 1_000_000

# The index takes these keys, of these types, and no others.
KEYS: dict[str, type] = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "tier": int,
    "enabled": bool,
    "dicom_support_rule": str,
}
REQUIRED = {"$schema", "category", "scm_url"}


@pytest.fixture(scope="module")
def entry() -> dict[str, Any]:
    return json.loads(ENTRY.read_text())


def png_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n", f"{path.name} is not a PNG"
    return struct.unpack(">II", header[16:])


def test_the_index_entry_has_the_schemas_keys_and_types(entry: dict[str, Any]) -> None:
    assert REQUIRED <= entry.keys() <= KEYS.keys()
    assert {key: type(value) for key, value in entry.items()} == {key: KEYS[key] for key in entry}
    assert all(type(name) is str for name in entry["build_dependencies"])
    assert 1 <= entry["tier"] <= 5


def test_the_index_entry_names_a_schema_that_knows_its_keys(entry: dict[str, Any]) -> None:
    """``dicom_support_rule`` came with 1.0.2; the index fetches the schema that the entry names."""
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")


def test_the_index_entry_is_formatted_as_the_index_formats(entry: dict[str, Any]) -> None:
    assert ENTRY.read_text() == json.dumps(entry, indent=2) + "\n"


def test_the_index_entry_agrees_with_cmake(entry: dict[str, Any], extension: Extension) -> None:
    assert extension.description["NAME"] == ENTRY.stem
    assert extension.description["HOMEPAGE"] == entry["scm_url"] == HOMEPAGE
    assert extension.description["CATEGORY"] == entry["category"]
    assert extension.description["DEPENDS"].split() == entry["build_dependencies"]
    assert entry["dicom_support_rule"] == "Modality == 'PT'"


def test_icon_and_screenshots_exist(extension: Extension) -> None:
    icon, screenshots = extension.description["ICONURL"], extension.description["SCREENSHOTURLS"].split()
    assert screenshots
    for url in (icon, *screenshots):
        assert url.startswith(RAW)
        assert min(png_size(REPOSITORY / url.removeprefix(RAW))) >= 128, url
    assert png_size(REPOSITORY / icon.removeprefix(RAW)) == (128, 128)
    assert png_size(REPOSITORY / "TumorGenSlicer/Resources/Icons/TumorGenSlicer.png") == (128, 128)


def test_the_index_can_read_the_cmake_file(extension: Extension) -> None:
    """Its check reads the text, not what CMake makes of it: each value in one string on one line."""
    text = (REPOSITORY / "CMakeLists.txt").read_text()
    for key in extension.description.keys() - {"NAME"}:
        value = extension.description[key]
        assert value
        assert f'set(EXTENSION_{key} "{value}")' in text


def test_there_is_a_license() -> None:
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text()
    assert "Apache" in (REPOSITORY / "README.md").read_text()


def git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", REPOSITORY, *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"not a git checkout: {done.stderr.strip()}")
    return done.stdout


def test_the_repository_is_under_100_megabytes() -> None:
    tracked = [REPOSITORY / name for name in git("ls-files", "-z").split("\0") if name]
    assert sum(p.stat().st_size for p in tracked if p.is_file()) < 100 * MEGABYTE
    assert int(git("rev-list", "--objects", "--disk-usage", "HEAD")) < 100 * MEGABYTE  # With its history.
