"""Bundles with other settings, for trials on training patients."""

from __future__ import annotations

import dataclasses
import json

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.errors import InvalidRequestError

__all__ = ["with_settings"]


def with_settings(bundle: ModelBundle, text: str) -> ModelBundle:
    """Returns the bundle with other settings than in its metadata; it has the same networks.

    Args:
        bundle: the bundle.
        text: settings as ``part.name=value``, separated by spaces, for example ``uptake.spread=0.6``; values are JSON.

    Raises:
        InvalidRequestError: a setting has another form, is unknown, or its value is not allowed.
    """
    for setting in text.split():
        path, _, value = setting.partition("=")
        part, _, name = path.partition(".")
        known = getattr(bundle, part, None) if part in _PARTS else None
        if known is None or name not in {field.name for field in dataclasses.fields(known)}:
            raise InvalidRequestError(
                f"{setting!r} is no setting of a bundle. Write PART.NAME=VALUE. Parts are {', '.join(_PARTS)}; their "
                "names are in the bundle's metadata."
            )
        try:
            read = json.loads(value)
            changed = dataclasses.replace(known, **{name: tuple(read) if isinstance(read, list) else read})
        except (ValueError, TypeError) as error:
            raise InvalidRequestError(f"{setting!r} cannot be used: {error}") from error
        bundle = dataclasses.replace(bundle, **{part: changed})
    return bundle


#: Parts of a bundle's metadata that decide how a tumor looks and need no training.
_PARTS = ("patch", "sampling", "uptake", "fill", "noise", "tuning")
