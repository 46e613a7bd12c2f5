"""What ITK says when it fails, in words for the user."""

from __future__ import annotations

import re

__all__ = ["itk_reason"]


def itk_reason(error: RuntimeError) -> str:
    """ITK's own reason for an error, without the place in its sources and the address of its object."""
    text = " ".join(str(error).rsplit("ERROR: ", 1)[-1].split())
    return re.sub(r"^\w+\(0x[0-9a-f]+\): ", "", text)[:200].rstrip(".") + "."
