"""Damages JSON files: ROI, bundle metadata, provenance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from good_inputs import Files
from mutations import Change, change_bytes, change_encoding, in_file, needs_every_byte, pick

__all__ = ["change_json", "json_way"]


_JSON_BROKEN = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400, '"abc"', "{}", "[]", "[1,2,3,4,5,6,7]")
_JSON_ODD = (
    "0",
    "-1",
    "1",
    "1e308",
    "1e-308",
    "0.5",
    "999999999999",
    "null",
    "true",
    "false",
    '""',
    '"1"',
    "[" * 5000 + "]" * 5000,
    '"' + "x" * 100_000 + '"',
)
#: Paths of the numbers that decide about the result.
_JSON_DECISIVE = {
    "roi": r"markups/0/(center|size|orientation)",
    "metadata": "tumorgen/(networks|intensity_scale/[klt]|patch|latent|uptake|fill|tuning|sampling/s)",
    "provenance": r"suv_factor$|tumors/\d+/(seed|box|tries|batch)|request/(steps|suv_max)",
}
_MARK = "@odd value@"


def json_way(kind: str) -> Callable[[np.random.Generator, Files], tuple[Files, Change]]:
    """Returns the way to damage the first file of an input of a kind."""

    def change(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
        name = next(iter(files))
        return in_file(files, name, change_json(rng, files[name], _JSON_DECISIVE[kind]))

    return change


def change_json(rng: np.random.Generator, content: bytes, decisive: str) -> Change:
    """Changes an entry, the bytes or the encoding; ``decisive`` matches paths of entries that must be numbers."""
    way = rng.random()
    if way < 0.15:
        changed = change_bytes(rng, content)
        return needs_every_byte(changed) if changed.content.strip() != content.strip() else changed
    if way < 0.22:
        return change_encoding(rng, content)
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return change_bytes(rng, content)
    places = list(_places(tree, ""))
    if not places:
        return change_bytes(rng, content)
    path, holder, key = places[int(rng.integers(len(places)))]
    if way < 0.35:
        del holder[key]
        return Change(json.dumps(tree, indent=2).encode(), f"{path} is gone")
    if way < 0.4:
        _, other, name = places[int(rng.integers(len(places)))]
        holder[key], other[name] = other[name], holder[key]
        try:
            return Change(json.dumps(tree, indent=2).encode(), f"{path} and another entry changed places")
        except (ValueError, RecursionError):  # one of them holds the other
            return change_bytes(rng, content)
    odd = str(pick(rng, _JSON_BROKEN if rng.random() < 0.5 else _JSON_ODD))
    was_number = isinstance(holder[key], int | float) and not isinstance(holder[key], bool)
    holder[key] = _MARK
    broken = was_number and odd in _JSON_BROKEN and re.match(decisive, path)
    return Change(
        json.dumps(tree, indent=2).replace(f'"{_MARK}"', odd).encode(),
        f"{path} is now {odd[:30]}",
        f"{path} is {odd[:30]}" if broken else "",
    )


def _places(tree: Any, path: str) -> list[tuple[str, Any, Any]]:
    """Returns path, holder and key of each entry of a JSON value."""
    keys = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, value in keys:
        here = f"{path}/{key}".lstrip("/")
        found.append((here, tree, key))
        found += _places(value, here)
    return found
