"""Numbers in the text headers of NRRD and MetaImage, and how messages quote such text."""

from __future__ import annotations

from collections.abc import Sequence

from TumorGenCore.errors import UnsupportedVolumeError

__all__ = ["header_line", "header_numbers", "header_whole_numbers", "quoted"]

_MAX_QUOTED = 120


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
        return [float(text) for text in texts]
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
        if max(map(len, texts), default=0) > 18:
            raise ValueError("a whole number is too long")
        return [int(text) for text in texts]
    except ValueError as error:
        raise UnsupportedVolumeError(
            f"The header of {name} has {key} {quoted(' '.join(texts))}, but whole numbers are needed. Correct the "
            "header."
        ) from error
