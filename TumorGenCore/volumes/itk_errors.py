"""Turns the errors of ITK into words for the user."""

from __future__ import annotations

import re

__all__ = ["itk_reason"]

#: Letters, far more than the longest chain of reasons; NRRD gives the decisive one last.
_MAX_LENGTH = 2000


def itk_reason(error: RuntimeError) -> str:
    """Returns the reason that ITK gives, without its source line and object address, as one sentence."""
    text = " ".join(str(error).rsplit("ERROR: ", 1)[-1].split())
    return re.sub(r"^\w+\(0x[0-9a-f]+\): ", "", text)[:_MAX_LENGTH].rstrip(".") + "."
