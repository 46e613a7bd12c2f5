"""Checks all entries of a bundle's metadata that decide a tumor: their types, and bounds for their numbers.

This is the only place with bounds. They are wide, and only keep out values with which the model cannot work: NaN, no
spacing, or a patch that fits into no memory. Rules between numbers stay with the classes that use them. This module
imports neither numpy nor torch.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["check_entries"]


class _Check(Protocol):
    """A form that values of an entry must have."""

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError, which names the entry, if the value does not have the form."""


@dataclass(frozen=True)
class _Number:
    least: float
    most: float
    whole: bool = False

    def check(self, name: str, value: Any) -> None:
        kind = int if self.whole else int | float
        # NaN is not between any bounds.
        if isinstance(value, bool) or not isinstance(value, kind) or not self.least <= value <= self.most:
            words = f"{'a whole' if self.whole else 'a'} number from {self.least:g} to {self.most:g}"
            raise ValueError(f"{name} is {reprlib.repr(value)}; it must be {words}")


@dataclass(frozen=True)
class _Kind:
    kind: type
    words: str

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, self.kind):
            raise ValueError(f"{name} is {reprlib.repr(value)}; it must be {self.words}")


@dataclass(frozen=True)
class _Many:
    each: _Check
    least: int
    most: int

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            count = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
            raise ValueError(f"{name} is {reprlib.repr(value)}; it must be a list of {count} values")
        for number, one in enumerate(value, start=1):
            self.each.check(f"value {number} of {name}", one)


@dataclass(frozen=True)
class _Entries:
    """Named values. Only ``required`` must be there; other names than the known ones are refused if ``closed``."""

    known: Mapping[str, _Check]
    required: tuple[str, ...] = ()
    closed: bool = True

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{name} is {reprlib.repr(value)}; it must have named entries")
        if missing := [key for key in self.required if key not in value]:
            raise ValueError(f"{name} lacks the entry {missing[0]!r}")
        for key, one in value.items():
            if key in self.known:
                self.known[key].check(f"{name}.{key}" if name != _ALL else key, one)
            elif self.closed:
                raise ValueError(f"{name} has an unknown entry {reprlib.repr(key)}")


@dataclass(frozen=True)
class _ByType:
    """One of several forms; the type of the value decides which."""

    forms: Mapping[type, _Check]

    def check(self, name: str, value: Any) -> None:
        form = self.forms.get(type(value))
        if form is None:
            raise ValueError(f"{name} is {reprlib.repr(value)}, which has the wrong type")
        form.check(name, value)


_ALL = "the entry tumorgen"
_FLAG = _Kind(bool, "true or false")
_TEXT = _Kind(str, "a text")
_CHANNELS = _Number(1, 4096, whole=True)
_FEW = _Number(1, 64, whole=True)
_SOME_CHANNELS, _SOME = _Many(_CHANNELS, 1, 16), _Many(_FEW, 1, 16)
_SUV = _Number(0, 1e5)
_SPREAD = _Number(0, 10)
_POSITIVE = _Number(1e-6, 1e6)
_BOUNDS = _Many(_POSITIVE, 4, 4)

_METADATA = _Entries(
    {
        "networks": _Entries(
            {
                "vae": _Entries(
                    {
                        "channels": _SOME_CHANNELS,
                        "num_res_blocks": _SOME,
                        "latent_channels": _CHANNELS,
                        "norm_num_groups": _CHANNELS,
                        "space_to_depth": _FEW,
                        "use_convtranspose": _FLAG,
                    }
                ),
                "vector_field": _Entries(
                    {
                        "latent_channels": _CHANNELS,
                        "channels": _SOME_CHANNELS,
                        "num_res_blocks": _FEW,
                        "attention_levels": _Many(_FLAG, 1, 16),
                        "num_head_channels": _CHANNELS,
                        "norm_num_groups": _CHANNELS,
                        "control_channels": _Number(0, 64, whole=True),
                        "control_embedding": _FLAG,
                        "box_channel": _FLAG,
                    }
                ),
                "mask_refiner": _Entries(
                    {
                        "feature_channels": _SOME_CHANNELS,
                        "feature_scales": _SOME,
                        "channels": _CHANNELS,
                        "norm_num_groups": _CHANNELS,
                        "factor": _FEW,
                    }
                ),
            },
            required=("vae", "vector_field", "mask_refiner"),
        ),
        "intensity_scale": _Entries(
            {"kind": _TEXT, "knee_suv": _POSITIVE, "top_suv": _POSITIVE, "low": _Number(-1e3, 0.99)}
        ),
        "patch": _Entries(
            {
                "spacing_mm": _Number(0.1, 100),
                "context_mm": _Number(0, 1000),
                "multiple": _Number(1, 512, whole=True),
                "max_size": _Number(1, 512, whole=True),
                "min_box_mm": _Number(0.1, 5000),
                "max_box_mm": _Number(0.1, 5000),
                "most_turn_degrees": _Number(0, 180),
                "most_shift_mm": _Number(0, 100),
            }
        ),
        "latent_mean": _Many(_Number(-1e6, 1e6), 1, 4096),
        "latent_deviation": _Many(_POSITIVE, 1, 4096),
        "condition": _TEXT,
        "variant": _TEXT,
        # ``Sampling`` refuses the rest.
        "sampling": _Entries(
            {
                "steps": _Number(1, 10_000, whole=True),
                "solver": _TEXT,
                "time_grid": _ByType(
                    {
                        str: _TEXT,
                        list: _Many(_Number(0, 1), 0, 10_001),
                        dict: _Entries({"shift": _Number(-1e3, 1e3)}, closed=False),
                    }
                ),
                "mask_noise": _Number(-10, 10),
                "latent_noise": _Number(-10, 10),
            }
        ),
        # Until software 0.6.0 a sharpening; it is no longer used.
        "resolution": _Entries({"amount": _Number(0, 100), "sigma": _Number(0.01, 50)}),
        "uptake": _Entries(
            {
                "median_suv_max": _SUV,
                "spread": _SPREAD,
                "tissue_power": _Number(0, 10),
                "volume_power": _Number(0, 10),
                "least_contrast": _Number(0, 1e5),
                "most_suv_max": _SUV,
                "median_suv": _SUV,  # This and the next one until software 0.6.0, see ``UptakeLaw.parse``.
                "most_raised_suv": _SUV,
            }
        ),
        "noise": _Entries({"share": _Number(0, 10), "grain_mm": _Number(0, 100)}),
        "fill": _Entries({"median": _Number(0, 1), "spread": _SPREAD}),
        "tuning": _Entries(
            {
                "suv_max_over_p95": _Number(1e-3, 1e3),
                "suv_mean_over_p95": _Number(1e-3, 1e3),
                "suv_peak_over_p95": _Number(1e-3, 1e3),
                "most_edge": _Number(1e-3, 10),
                "speck_share": _Number(1e-6, 1),
                "speck_tries": _Many(_Number(1e-3, 1e3), 0, 100),
                "fitted_shares": _Many(_Number(1e-6, 1), 2, 2),
                "fitted_volumes_ml": _Many(_POSITIVE, 2, 2),
                "field_bounds": _Entries({"volume_ml": _BOUNDS, "suv_max": _BOUNDS, "mean_over_max": _BOUNDS}),
            }
        ),
        "weights": _Entries(
            {name: _TEXT for name in ("vae.safetensors", "vector_field.safetensors", "mask_refiner.safetensors")},
            required=("vae.safetensors", "vector_field.safetensors", "mask_refiner.safetensors"),
        ),
        "training_lesions": _Entries(
            {"training_lesions.safetensors": _TEXT}, required=("training_lesions.safetensors",)
        ),
        "notes": _Kind(dict, "named entries"),
    },
    required=("networks", "weights", "intensity_scale", "patch", "latent_mean", "latent_deviation"),
    closed=False,
)


def check_entries(own: Any) -> None:
    """Checks the entry ``tumorgen`` of a bundle's metadata, with the entries that it takes from another bundle.

    Raises:
        ValueError: an entry is missing or unknown, has the wrong type, or holds a number outside its bounds. The
            message names entry, value and bounds.
    """
    _METADATA.check(_ALL, own)
