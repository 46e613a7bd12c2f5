"""The few named errors of TumorGen. Each message says which value was wrong and what to do."""

__all__ = [
    "CancelledError",
    "InvalidBoxError",
    "InvalidRequestError",
    "ManifestError",
    "ModelBundleError",
    "ProvenanceError",
    "TrainingDataError",
    "TumorGenError",
    "UnknownUnitsError",
    "UnknownUnitsWarning",
    "UnsupportedVolumeError",
    "with_remedy",
]


class TumorGenError(Exception):
    """Base of every error that TumorGen raises on purpose."""


class UnsupportedVolumeError(TumorGenError):
    """The volume cannot be used: NaN or Inf, not 3D and scalar, broken geometry, unreadable file."""


class UnknownUnitsError(UnsupportedVolumeError):
    """The voxels' units do not lead to SUV: the factor to SUV must be given. Where, each front end says."""


class UnknownUnitsWarning(UserWarning):
    """The voxels' units had to be guessed, or the values do not look like SUV."""


class InvalidBoxError(TumorGenError):
    """The box cannot be used: no size, outside the volume, too thin, too large."""


class InvalidRequestError(TumorGenError, ValueError):
    """A value that the user gave cannot be used: steps, solver, SUV, fill, quality, seed, device, file name."""


class ManifestError(TumorGenError):
    """The manifest of a synthesis cannot be used, or does not fit what an earlier run left."""


class ModelBundleError(TumorGenError):
    """The model bundle is missing, damaged, truncated or made for something else."""


class ProvenanceError(TumorGenError):
    """The provenance of a result cannot be used, or belongs to another scan."""


class TrainingDataError(TumorGenError):
    """The training folder or run configuration cannot be used."""


class CancelledError(TumorGenError):
    """The user cancelled; nothing was written."""


def with_remedy(problem: Exception, remedy: str) -> str:
    """The message of an error or warning; of one about units with the front end's own way to give the factor."""
    about_units = isinstance(problem, UnknownUnitsError | UnknownUnitsWarning)
    return f"{problem} {remedy}".strip() if about_units else str(problem)
