"""The key of a reader study, and the answers of its readers."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from TumorGenCore.errors import ReaderStudyError, ReaderStudyWarning
from TumorGenCore.volumes.json_file import read_json

__all__ = ["ANSWERS_FORMAT", "KEY_FORMAT", "VERSION", "Answer", "Answers", "Key", "read_answers", "read_key"]

#: What the files say that they are; ``page.js`` writes the answers.
KEY_FORMAT, ANSWERS_FORMAT = "tumorgen reader-study key", "tumorgen reader-study answers"
VERSION = 1
#: Code of a reader, as the page allows it.
_CODE = re.compile(r"[A-Za-z0-9_-]{1,20}")
#: Values that scoring needs of each lesion in the key.
_TRUTHS, _SIZES = ("real", "synthetic"), ("small", "large")


@dataclass(frozen=True)
class Key:
    """The truth about the lesions of a study.

    Args:
        study: name of the study.
        lesions: by their random names: ``truth``, ``made``, ``patient``, ``size`` and more.
    """

    study: str
    lesions: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """One answer: the rating from 1 (surely real) to 5 (surely synthetic), and the time that it took, seconds."""

    rating: int
    seconds: float


@dataclass(frozen=True)
class Answers:
    """Answers of one reader, by the names of the lesions."""

    reader: str
    given: dict[str, Answer]


def read_key(path: Path) -> Key:
    """Reads ``key.json``.

    Raises:
        ReaderStudyError: the file is missing, or is not the key of a study.
    """
    content = _read(path, KEY_FORMAT, "the key of a reader study")
    lesions = content.get("lesions")
    if not isinstance(lesions, dict) or not lesions:
        raise ReaderStudyError(f"{path.name} lists no lesions. Make the study again.")
    for name, lesion in lesions.items():
        known = isinstance(lesion, dict) and lesion.get("truth") in _TRUTHS and lesion.get("size") in _SIZES
        if not known or not all(isinstance(lesion.get(part), str) for part in ("patient", "made")):
            raise ReaderStudyError(f"{path.name} has no truth, size, patient or origin for {name!a}. Restore the file.")
    return Key(content["study"], lesions)


def read_answers(path: Path, key: Key) -> Answers:
    """Reads the file of answers that the page saves. The reader without a code is named after the file.

    Warns:
        ReaderStudyWarning: lesions have no answer.

    Raises:
        ReaderStudyError: the file is missing, is not a file of answers, or belongs to another key.
    """
    content = _read(path, ANSWERS_FORMAT, "a file of answers")
    if content["study"] != key.study:
        raise ReaderStudyError(
            f"{path.name} answers the study {content['study']!a}, but the key is of {key.study!a}. "
            "Give the key that was made with the page."
        )
    listed = content.get("answers")
    given: dict[str, Answer] = {}
    for answer in listed if isinstance(listed, list) else []:
        name = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(name, str) or name not in key.lesions or name in given:
            raise ReaderStudyError(f"{path.name} has an answer to {name!a}, twice or not in the key. Restore the file.")
        rating, seconds = answer.get("rating"), answer.get("seconds")
        if type(rating) is not int or not 1 <= rating <= 5:
            raise ReaderStudyError(f"{path.name} rates {name} with {rating!a}; ratings are 1 to 5. Restore the file.")
        if type(seconds) not in (int, float) or not 0 <= seconds < 1e9:
            raise ReaderStudyError(f"{path.name} has {seconds!a} seconds for {name}. Restore the file.")
        given[name] = Answer(rating, float(seconds))
    if not given:
        raise ReaderStudyError(f"{path.name} has no answers. Save them in the page first.")
    if len(given) < len(key.lesions):
        warnings.warn(
            f"{path.name} answers {len(given)} of {len(key.lesions)} lesions; only these are scored.",
            ReaderStudyWarning,
            stacklevel=2,
        )
    reader = content.get("reader")
    return Answers(reader if isinstance(reader, str) and _CODE.fullmatch(reader) else path.stem, given)


def _read(path: Path, kind: str, what: str) -> dict[str, Any]:
    """Reads an object of this format and version that names its study."""
    try:
        content = read_json(path)
    except OSError as error:
        raise ReaderStudyError(f"{path} cannot be opened ({error.strerror}). Check the path.") from error
    except ValueError as error:
        raise ReaderStudyError(f"{path.name} is not {what} ({error}).") from error
    if not isinstance(content, dict) or content.get("format") != kind or not isinstance(content.get("study"), str):
        raise ReaderStudyError(f"{path.name} is not {what}. Give key.json first, then the files of answers.")
    if content.get("version") != VERSION:
        raise ReaderStudyError(f"{path.name} has version {content.get('version')!a}; this TumorGen reads {VERSION}.")
    return content
