"""Damages bytes and text: what any file can suffer on its way. Other modules know the fields of each format."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = [
    "NO_NUMBERS",
    "ODD_NUMBERS",
    "Change",
    "change_bytes",
    "change_encoding",
    "change_lines",
    "change_number",
    "in_file",
    "needs_every_byte",
    "pick",
]

#: Texts that are no finite number in any format.
NO_NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9" * 400,
    "",
    "--1",
    "1.0.0",
    "1_0",
    "0x10",
    "1,5",
    "\u0663",
    "\uff12",
    "1e",
    "abc",
)
#: Numbers that are rarely right.
ODD_NUMBERS = (
    "0",
    "-1",
    "1",
    "2",
    "1e308",
    "1e-308",
    "999999999999",
    "65536",
    "-0.0",
    "1000000",
    "0.5",
    "4294967295",
    "3",
    "4.5",
    "-3",
    "0.25",
    "10",
    "-0.5",
)


@dataclass(frozen=True)
class Change:
    """A damaged file.

    Args:
        content: its bytes.
        how: what was changed.
        corrupt: why nobody can take the file for good; empty if a reader may.
        shortened: number of bytes that were cut off its end.
    """

    content: bytes
    how: str
    corrupt: str = ""
    shortened: int = 0


def pick(rng: np.random.Generator, things: tuple | list) -> Any:
    """Returns one of the things; unlike ``rng.choice`` it keeps their types."""
    return things[int(rng.integers(len(things)))]


def change_bytes(rng: np.random.Generator, content: bytes) -> Change:
    """Flips, cuts, inserts or moves bytes anywhere."""
    ways: list[Callable[[np.random.Generator, bytes], Change]] = [
        _flip,
        _flip,
        _flip,
        _zeros,
        _cut,
        _cut,
        _hole,
        _extend,
        _insert,
        _swap,
        _double,
        _empty,
    ]
    return pick(rng, ways)(rng, content)


def _flip(rng: np.random.Generator, content: bytes) -> Change:
    changed = bytearray(content)
    places = rng.integers(0, max(1, len(content)), int(rng.integers(1, 9)))
    for place in places[: len(content)]:
        changed[place] ^= int(rng.integers(1, 256))
    return Change(bytes(changed), f"bytes {sorted(places.tolist())} flipped")


def _zeros(rng: np.random.Generator, content: bytes) -> Change:
    start, size = int(rng.integers(0, len(content) + 1)), int(rng.integers(1, 65))
    part = content[start : start + size]
    return Change(content[:start] + bytes(len(part)) + content[start + len(part) :], f"{len(part)} zeros from {start}")


def _cut(rng: np.random.Generator, content: bytes) -> Change:
    few = rng.random() < 0.5
    keep = len(content) - int(rng.integers(1, 9)) if few else int(rng.integers(0, len(content) + 1))
    keep = max(0, keep)
    return Change(content[:keep], f"cut to {keep} of {len(content)} bytes", shortened=len(content) - keep)


def _hole(rng: np.random.Generator, content: bytes) -> Change:
    start, size = int(rng.integers(0, len(content) + 1)), int(rng.integers(1, 65))
    return Change(content[:start] + content[start + size :], f"{size} bytes from {start} taken out")


def _extend(rng: np.random.Generator, content: bytes) -> Change:
    more = rng.bytes(int(pick(rng, (1, 7, 64, 1000, 100_000))))
    return Change(content + more, f"{len(more)} bytes added at the end")


def _insert(rng: np.random.Generator, content: bytes) -> Change:
    place, more = int(rng.integers(0, len(content) + 1)), rng.bytes(int(rng.integers(1, 17)))
    return Change(content[:place] + more + content[place:], f"{len(more)} bytes put in at {place}")


def _swap(rng: np.random.Generator, content: bytes) -> Change:
    size = int(rng.integers(1, 33))
    a, b = sorted(int(n) for n in rng.integers(0, len(content) + 1, 2))
    b = max(b, a + size)
    parts = content[:a], content[a : a + size], content[a + size : b], content[b : b + size], content[b + size :]
    return Change(parts[0] + parts[3] + parts[2] + parts[1] + parts[4], f"{size} bytes at {a} and {b} changed places")


def _double(rng: np.random.Generator, content: bytes) -> Change:
    return Change(content * 2, "whole file twice")


def _empty(rng: np.random.Generator, content: bytes) -> Change:
    return Change(b"", "emptied", shortened=len(content))


def change_encoding(rng: np.random.Generator, content: bytes) -> Change:
    """Writes text in another encoding or with other line ends; only ASCII text has all these encodings."""
    if not content.isascii():
        return _insert(rng, content)
    text = content.decode("ascii")
    way = str(pick(rng, ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "crlf", "cr", "latin-1", "nul")))
    if way in ("crlf", "cr"):
        return Change(text.replace("\n", "\r\n" if way == "crlf" else "\r").encode(), f"line ends {way}")
    if way in ("latin-1", "nul"):
        place = int(rng.integers(0, len(text) + 1))
        sign = b"\xe9" if way == "latin-1" else b"\0"
        return Change(content[:place] + sign + content[place:], f"{way} byte at {place}")
    return Change(text.encode(way), f"encoded as {way}")


def change_lines(rng: np.random.Generator, content: bytes) -> Change:
    """Removes, doubles, moves or lengthens a line of text."""
    lines = content.split(b"\n")
    n = int(rng.integers(len(lines)))
    way = str(pick(rng, ("remove", "double", "swap", "long", "key", "garbage")))
    if way == "remove":
        del lines[n]
    elif way == "double":
        lines.insert(n, lines[n])
    elif way == "swap":
        m = int(rng.integers(len(lines)))
        lines[n], lines[m] = lines[m], lines[n]
    elif way == "long":
        lines[n] += b" " + b"7" * int(pick(rng, (300, 5_000, 200_000)))
    elif way == "key":
        lines[n] = re.sub(rb"[A-Za-z]", lambda found: found[0].swapcase(), lines[n], count=1)
    else:
        lines.insert(n, rng.bytes(20).replace(b"\n", b""))
    return Change(b"\n".join(lines), f"line {n}: {way}")


def change_number(rng: np.random.Generator, content: bytes, decisive: str) -> Change:
    """Replaces a number in text.

    Args:
        rng: random numbers.
        content: bytes of the text.
        decisive: regular expression of the lines whose numbers decide about the result.
    """
    found = list(re.finditer(rb"(?<![\w.])-?\d+(\.\d+)?([eE][-+]?\d+)?(?![\w.])", content))
    if not found:
        return _insert(rng, content)
    number = found[int(rng.integers(len(found)))]
    odd = str(pick(rng, NO_NUMBERS if rng.random() < 0.5 else ODD_NUMBERS))
    start = content.rfind(b"\n", 0, number.start()) + 1
    line = content[start : number.end()].decode("latin-1")
    broken = odd in NO_NUMBERS and odd != "" and re.match(decisive, line) is not None
    return Change(
        content[: number.start()] + odd.encode() + content[number.end() :],
        f"{number[0].decode()!r} of {line[:40]!r} is now {odd[:20]!r}",
        f"{line[:40]!r} has {odd[:20]!r}, which is no finite number" if broken else "",
    )


def in_file(files: dict[str, bytes], name: str, change: Change) -> tuple[dict[str, bytes], Change]:
    """Returns the files of an input with a change in one of them."""
    return {**files, name: change.content}, replace(change, how=f"{name}: {change.how}")


def needs_every_byte(change: Change, why: str = "the end is missing") -> Change:
    """Calls a change corrupt if it cut the end off."""
    return replace(change, corrupt=why) if change.shortened else change
