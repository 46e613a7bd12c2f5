"""The errors of TumorGen. Each message says which value is wrong and what to do."""

__all__ = [
    "CancelledError",
    "ExportError",
    "InvalidBoxError",
    "InvalidRequestError",
    "ManifestError",
    "ModelBundleError",
    "ProvenanceError",
    "ReaderStudyError",
    "ReaderStudyWarning",
    "ResumeWarning",
    "TrainingDataError",
    "TumorGenError",
    "UnknownUnitsError",
    "UnknownUnitsWarning",
    "UnsupportedVolumeError",
    "VolumeWarning",
    "WorkerError",
    "with_remedy",
]


class TumorGenError(Exception):
    """Base of every error that TumorGen raises on purpose."""


class UnsupportedVolumeError(TumorGenError):
    """The volume cannot be used: it has NaN or Inf, is not 3D and scalar, has broken geometry or cannot be read."""


class UnknownUnitsError(UnsupportedVolumeError):
    """The factor to SUV does not follow from the units of the voxels; the user must give it.

    The message does not say how: each front end adds that, see ``with_remedy``.
    """


class VolumeWarning(UserWarning):
    """The volume was read, but its file is odd or contradicts itself; the message says what was taken."""


class UnknownUnitsWarning(VolumeWarning):
    """The units of the voxels are a guess, or the values do not look like SUV."""


class InvalidBoxError(TumorGenError):
    """The box cannot be used: it has no size, lies outside the volume, or is too thin or too large."""


class InvalidRequestError(TumorGenError, ValueError):
    """A value that the user gave cannot be used: steps, solver, SUV, fill, quality, seed, device, file name."""


class ManifestError(TumorGenError):
    """The manifest of ``synthesize`` cannot be used, or does not fit the results of an earlier run."""


class ResumeWarning(UserWarning):
    """An earlier run of ``synthesize`` in the folder was killed, or computed on another kind of device."""


class WorkerError(TumorGenError):
    """The worker processes of ``synthesize`` cannot be started, or do not see the files of the run."""


class ExportError(TumorGenError):
    """Results of ``synthesize`` cannot be exported: a file is missing or changed, or an option is wrong."""


class ModelBundleError(TumorGenError):
    """The model bundle is missing, damaged or truncated, or does not suit this program."""


class ProvenanceError(TumorGenError):
    """The provenance of a result cannot be used, or belongs to another scan."""


class ReaderStudyError(TumorGenError):
    """The key or the answers of a reader study cannot be used, or do not belong together."""


class ReaderStudyWarning(UserWarning):
    """A reader study is incomplete, or something may give its synthetic lesions away."""


class TrainingDataError(TumorGenError):
    """The training folder or the configuration of the run cannot be used."""


class CancelledError(TumorGenError):
    """The user canceled the work; no file was written."""


def with_remedy(problem: Exception, remedy: str) -> str:
    """Returns the message of an error or warning; ``remedy`` follows if it is about units.

    Args:
        problem: the error or warning.
        remedy: a sentence that says how the user gives the factor to SUV in this front end.
    """
    about_units = isinstance(problem, UnknownUnitsError | UnknownUnitsWarning)
    return f"{problem} {remedy}".strip() if about_units else str(problem)
