"""Numbers in text that somebody else wrote, and how messages quote such text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from TumorGenCore.errors import UnsupportedVolumeError

__all__ = ["decimal", "header_line", "header_numbers", "header_whole_numbers", "quoted"]

_MAX_QUOTED = 120
#: Python also takes 1_0 and digits of other scripts, which no program of the field reads as numbers.
_DECIMAL = re.compile(r"\s*[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|nan|inf(inity)?)\s*", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def decimal(text: str) -> float:
    """Returns the number that a text is, with a decimal point; it may be NaN or Inf.

    Raises:
        ValueError: the text is no number.
    """
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{quoted(text)} is no number")
    return float(text)


def quoted(text: str) -> str:
    """Returns text of a header for a message, between quotation marks and without its end if it is long."""
    return repr(text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "...")


def header_line(name: str, line: bytes) -> str:
    """Returns a line of a header as text, without its end.

    Args:
        name: name of the file, for messages.
        line: bytes of the line.

    Raises:
        UnsupportedVolumeError: the line has control characters, as damaged headers have.
    """
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    if any(letter < " " and letter != "\t" for letter in text):
        raise UnsupportedVolumeError(
            f"The header of {name} is damaged: it has control characters in {quoted(text)}. Export it again."
        )
    return text


def header_numbers(name: str, key: str, texts: Sequence[str]) -> list[float]:
    """Returns the numbers that a header value consists of.

    Args:
        name: name of the file, for messages.
        key: name of the value, for messages.
        texts: one text per number.

    Raises:
        UnsupportedVolumeError: a text is no number.
    """
    try:
        return [decimal(text) for text in texts]
    except ValueError as error:
        raise UnsupportedVolumeError(
            f"The header of {name} has {key} {quoted(' '.join(texts))}, but numbers are needed. Correct the header."
        ) from error


def header_whole_numbers(name: str, key: str, texts: Sequence[str]) -> list[int]:
    """Returns the whole numbers that a header value consists of; arguments as in ``header_numbers``.

    Raises:
        UnsupportedVolumeError: a text is no whole number, or has more than 18 digits.
    """
    try:
        if not all(map(_WHOLE.fullmatch, texts)):
            raise ValueError("a text is no whole number, or is too long")
        return [int(text) for text in texts]
    except ValueError as error:
        raise UnsupportedVolumeError(
            f"The header of {name} has {key} {quoted(' '.join(texts))}, but whole numbers are needed. Correct the "
            "header."
        ) from error
