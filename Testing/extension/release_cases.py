"""A small repository that keeps every rule of the Extensions Index, to be spoiled by tests."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from release.export import git
from release.index_rules import SCHEMA_ADDRESS

HOMEPAGE = "https://github.com/TumorGen/SlicerTumorGen"
RAW = "https://raw.githubusercontent.com/TumorGen/SlicerTumorGen/main"
ENTRY = "Resources/ExtensionsIndex/TumorGen.json"
GOOD_ENTRY = {
    "$schema": SCHEMA_ADDRESS,
    "build_dependencies": ["PyTorch"],
    "category": "Image Synthesis",
    "scm_revision": "main",
    "scm_url": HOMEPAGE,
    "tier": 1,
}
CMAKE = f"""project(TumorGen)
set(EXTENSION_HOMEPAGE "{HOMEPAGE}")
set(EXTENSION_CATEGORY "Image Synthesis")
set(EXTENSION_CONTRIBUTORS "TumorGen developers")
set(EXTENSION_DESCRIPTION "Puts synthetic tumors into PET scans.")
set(EXTENSION_ICONURL "{RAW}/icon.png")
set(EXTENSION_SCREENSHOTURLS "{RAW}/one.png {RAW}/two.png")
set(EXTENSION_DEPENDS "PyTorch")
"""
README = """# TumorGen

Synthetic tumors. ![What it does](one.png) Apache License 2.0. No patent is known.
Publication: https://arxiv.org/abs/2505.24687
"""


def png(width: int, height: int) -> bytes:
    """The beginning of a PNG file, up to its size in pixels."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)


def formatted(entry: object) -> str:
    return json.dumps(entry, indent=2) + "\n"


def small_repository(folder: Path) -> Path:
    """Makes the repository, with a history of two commits on a branch of another name."""
    files: dict[str, bytes] = {
        "CMakeLists.txt": CMAKE.encode(),
        "README.md": README.encode(),
        "LICENSE": b"Apache License\n",
        "pyproject.toml": b'[project]\nversion = "1.2.3"\n',
        ".gitignore": b"build/\n",
        "tool": b"#!/bin/sh\n",
        ENTRY: formatted(GOOD_ENTRY).encode(),
        "icon.png": png(128, 128),
        "one.png": png(640, 480),
        "two.png": png(640, 480),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "tool").chmod(0o755)
    (folder / "large.bin").write_bytes(bytes(range(256)) * 40)
    git(folder, "init", "--quiet", "--template=", "--initial-branch=work", own_settings=True)
    commit(folder, "with a large file")
    (folder / "large.bin").unlink()
    commit(folder, "without it")
    return folder


def commit(folder: Path, message: str) -> None:
    """Commits all that is in a folder."""
    git(folder, "add", "--all", "--force", own_settings=True)
    who = ("-c", "user.name=Tests", "-c", "user.email=tests@example.org")
    git(folder, *who, "commit", "--quiet", "--allow-empty", "--message", message, own_settings=True)
