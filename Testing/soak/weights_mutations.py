"""Damages safetensors files of a bundle, with their hash in its metadata as before or renewed."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from good_inputs import Files
from json_mutations import change_json
from mutations import Change, change_bytes, change_lines, change_number, pick

__all__ = ["change_weights"]


def change_weights(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    """Damages a weight file; its hash in the metadata is renewed or stays."""
    name = next(iter(files))
    content = files[name]
    way = rng.random()
    if way < 0.3 or len(content) < 9:
        changed = change_bytes(rng, content)
        broken = "the end is missing" if changed.shortened else ""
    elif way < 0.6:
        (length,) = struct.unpack_from("<Q", content)
        header = content[8 : 8 + length]
        way_inside: Callable[[np.random.Generator, bytes], Change] = pick(
            rng, [change_lines, lambda r, c: change_number(r, c, "x"), lambda r, c: change_json(r, c, "x")]
        )
        inside = way_inside(rng, header)
        changed = Change(
            struct.pack("<Q", len(inside.content)) + inside.content + content[8 + length :],
            f"header: {inside.how[:80]}",
        )
        broken = ""
    elif way < 0.75:
        value = int(pick(rng, (0, 1, 2**63, 2**64 - 1, len(content), 100_000_000, 7)))
        changed = Change(struct.pack("<Q", value) + content[8:], f"length of the header is now {value}")
        broken = "the length of the header is wrong"
    else:
        place = len(content) - 4 * int(rng.integers(1, 100))
        odd = struct.pack("<2e", float("nan"), float("inf"))
        changed = Change(content[:place] + odd + content[place + 4 :], f"NaN and Inf from {place}")
        broken = "" if "training_lesions" in name else "weights are not finite"
    metadata = next(n for n in files if n.endswith("metadata.json"))
    former, now = (hashlib.sha256(c).hexdigest().encode() for c in (content, changed.content))
    renewed = rng.random() < 0.6
    described = files[metadata].replace(former, now) if renewed else files[metadata]
    reason = broken if renewed else "the hash is wrong"
    how = f"{name}: {changed.how}, hash {'renewed' if renewed else 'as before'}"
    return {**files, name: changed.content, metadata: described}, replace(
        changed, how=how, corrupt=reason if former != now else ""
    )
