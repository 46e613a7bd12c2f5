"""Readers with a fault each, which `test_fuzz` expects the harness to find."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import readers
from readers import Reading, read_input

__all__ = ["crash", "hang", "memory", "silent", "unnamed"]


def _with(fault: Callable[[Path], dict[str, Any]], kind: str, path: Path) -> Reading:
    """Reads with ``fault`` in the place of the product's reader."""
    right = readers.READERS[kind]
    readers.READERS[kind] = fault
    try:
        return read_input(kind, path)
    finally:
        readers.READERS[kind] = right


def crash(kind: str, path: Path) -> Reading:
    return _with(lambda _: os.kill(os.getpid(), signal.SIGSEGV), kind, path)


def hang(kind: str, path: Path) -> Reading:
    def fault(_: Path) -> dict[str, Any]:
        while True:
            pass

    return _with(fault, kind, path)


def memory(kind: str, path: Path) -> Reading:
    def fault(_: Path) -> dict[str, Any]:
        bytearray(b"x") * (500 << 20)
        return {}

    return _with(fault, kind, path)


def unnamed(kind: str, path: Path) -> Reading:
    return _with(lambda _: {}["voxels"], kind, path)


def silent(kind: str, path: Path) -> Reading:
    right = readers.READERS[kind]

    def fault(path: Path) -> dict[str, Any]:
        value = right(path)
        value["voxels"][0, 0, 0] += 1
        return value

    return _with(fault, kind, path)
