"""The folder of the results: checked before the work, and used by one run at a time.

A run keeps a lock and a note about itself in a hidden folder inside, which it removes at its end. If it is killed, the
operating system frees the lock, and the next run finds the note. Each part of a divided run has a lock of its own.
"""

from __future__ import annotations

import json
import os
import socket
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from TumorGenCore.cohort.parts import Part
from TumorGenCore.errors import ManifestError, ResumeWarning
from TumorGenCore.volumes.safe_write import check_folder, overwritten_input, temporary_files

__all__ = ["RUN_FOLDER", "check_output_folder", "check_own_inputs", "clear_leftovers", "only_run"]

#: Hidden folder with the lock of a run.
RUN_FOLDER = ".tumorgen-run"


def check_output_folder(output: Path, resume: bool) -> None:
    """Checks, before any work, that a run can use the folder and does not mix its results with other files.

    Raises:
        ManifestError: the folder holds files and ``resume`` is not set.
        OSError: ``output`` is a file, or it cannot be created or written to.
    """
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output} is a file. Give a folder for the results.")
    if not output.exists():
        check_folder(output)
    elif not resume and any(path.name != RUN_FOLDER for path in output.iterdir()):
        raise ManifestError(f"{output} is not empty. Give a new folder, or use --resume to continue the run in it.")
    else:
        check_folder(output / RUN_FOLDER)


def check_own_inputs(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Checks that a run does not write over a file that it reads, also under another name of the file.

    Args:
        inputs: files and folders that the run reads.
        outputs: files that it writes.

    Raises:
        ManifestError: an output is an input.
    """
    if found := overwritten_input(outputs, inputs):
        path, own = found
        raise ManifestError(
            f"The run would write {path.name} over its own input {own}. Give another folder, or another name in the "
            "manifest."
        )


@contextmanager
def only_run(output: Path, part: Part | None = None) -> Iterator[None]:
    """Keeps other runs off the folder, or off a part of its results, as long as the block runs.

    Args:
        output: the folder, which exists.
        part: part of the results; None for all of them.

    Warns:
        ResumeWarning: an earlier run ended without cleaning up, and this run takes its folder over.

    Raises:
        ManifestError: another run works in the folder.
        OSError: the folder cannot be written to.
    """
    hidden = output / RUN_FOLDER
    hidden.mkdir(exist_ok=True)
    name = "run" if part is None else part.name
    lock, note = FileLock(hidden / f"{name}.lock", timeout=0), hidden / f"{name}.json"
    try:
        lock.acquire()
    except Timeout as error:
        raise ManifestError(
            f"Another run{_holder(note)} works in {output}. Wait until it has ended, or give another folder."
        ) from error
    try:
        if note.exists():
            warnings.warn(
                f"An earlier run{_holder(note)} ended without cleaning up. This run takes its folder over.",
                ResumeWarning,
                stacklevel=3,
            )
        note.write_text(
            json.dumps(
                {
                    "process": os.getpid(),
                    "machine": socket.gethostname(),
                    "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            ),
            encoding="utf-8",
        )
        yield
    finally:
        _remove(note, lock)


def clear_leftovers(output: Path) -> None:
    """Removes temporary files that a killed run left beside the results. Call it only inside ``only_run``.

    Raises:
        OSError: a file cannot be removed.
    """
    for path in temporary_files(output):
        path.unlink()


def _remove(note: Path, lock: FileLock) -> None:
    """Removes the lock and its folder, unless another run has them by then."""
    note.unlink(missing_ok=True)
    try:
        Path(lock.lock_file).unlink()
        lock.release()
    except OSError:  # Windows deletes no open file, and so never the lock of another run.
        lock.release()
        with suppress(OSError):
            Path(lock.lock_file).unlink()
    with suppress(OSError):
        note.parent.rmdir()


def _holder(note: Path) -> str:
    """Returns which process holds the folder, as far as it is known."""
    try:
        run = json.loads(note.read_text(encoding="utf-8"))
        return f" (process {run['process']} on {run['machine']}, started {run['started_utc']})"
    except (OSError, ValueError, KeyError, TypeError):  # killed while writing it
        return ""
