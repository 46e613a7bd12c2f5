"""Writes files under temporary names and then moves them, so that a failure leaves no incomplete file.

    with all_or_none():
        write_segmentation(mask, ...)       any writer that uses ``replacing``
        write_volume(image, ...)

Both files are there after the block, or neither.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from uuid import uuid4

from TumorGenCore.interrupts import StopRequest, held_stops
from TumorGenCore.volumes.file_hash import sha256_of
from TumorGenCore.volumes.suffixes import SEGMENTATION_SUFFIX, WRITABLE_SUFFIXES, known_suffix

__all__ = [
    "all_or_none",
    "check_file",
    "check_folder",
    "check_name",
    "check_space",
    "folded",
    "make_folder",
    "overwritten_input",
    "replacing",
    "temporary_files",
    "write_pieces",
]

#: Path of an output to the temporary file that becomes it, in the order of the outputs; None outside a group.
_group: ContextVar[dict[Path, Path] | None] = ContextVar("group", default=None)
#: Folders that the group made, outer ones first.
_made: ContextVar[list[Path] | None] = ContextVar("made", default=None)

#: Names of the temporary files of ``replacing``; earlier versions had the name of the output in the place of "new".
_TEMPORARY_NAME = re.compile(r"\.[0-9a-f]{32}-.+")

#: Errors of a full disk, a quota and a limit on the size of files.
_NO_SPACE = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)}


def check_folder(path: Path) -> None:
    """Checks that a file can be written to ``path``: its name, and its folder by a trial.

    Raises:
        OSError: the name cannot be used, or the folder does not exist or cannot be written to.
    """
    check_name(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for {path.name}. Create it first.")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise PermissionError(
            f"You may not write to the folder {path.parent} ({error.strerror}). Choose another folder for {path.name}."
        ) from error


def check_file(path: Path) -> None:
    """Checks that a file can be written to ``path``, and that no folder is in its place.

    Raises:
        OSError: see ``check_folder``; or the path is a folder.
    """
    check_folder(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Give the name of a file to write.")


def check_name(path: Path) -> None:
    """Checks that the file system and ITK can take the name of a file or folder, which need not exist.

    Raises:
        OSError: the name is too long, or is not UTF-8.
    """
    try:
        str(path).encode()
        path.lstat()
    except UnicodeEncodeError as error:
        raise OSError(f"The name {str(path)!a} is not UTF-8. Rename the file or folder.") from error
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except OSError as error:
        raise OSError(f"The name {path.name} cannot be used ({error.strerror}). Give another one.") from error


def check_space(needed: Mapping[Path, int]) -> None:
    """Checks that the disks have room for new files.

    A quota counts where the file system reports it as its free space (XFS projects, CephFS, ZFS). Others are found at
    the writing: a trial that allocates the size would fill a shared disk for a moment, and on NFS write all of it.

    Args:
        needed: path of each file to its size, bytes; files that they replace are removed only at the end.

    Raises:
        OSError: a disk has too little free space.
    """
    disks: dict[int, list[Path]] = {}
    for path in needed:
        disks.setdefault(path.parent.stat().st_dev, []).append(path)
    for paths in disks.values():
        size, free = sum(needed[path] for path in paths), shutil.disk_usage(paths[0].parent).free
        if size > free:
            raise OSError(
                f"The outputs need about {size / 1e6:.1f} MB, but {paths[0].parent} has only {free / 1e6:.1f} MB left. "
                "Free some space, or choose another folder."
            )


def folded(name: str) -> str:
    """Returns the same text for all names that a disk may take for one.

    Disks of Windows and macOS ignore case; those of macOS also ignore how accents are coded.
    """
    return unicodedata.normalize("NFC", name).casefold()


def overwritten_input(outputs: Iterable[Path], inputs: Iterable[Path]) -> tuple[Path, Path] | None:
    """Finds an output that is an input, also by a link or in another case.

    Args:
        outputs: files to write.
        inputs: files and folders that the command reads; those that do not exist do not count.

    Returns:
        The first such output, and the input that it is; None if there is none.
    """
    read = {_identity(path): path for path in inputs if path.exists()}
    for path in outputs:
        if path.exists() and (own := read.get(_identity(path))) is not None:
            return path, own
    return None


def temporary_files(folder: Path) -> list[Path]:
    """Finds the temporary files that a killed process left in a folder; those of running processes are among them."""
    return [path for path in folder.iterdir() if _TEMPORARY_NAME.fullmatch(path.name) and path.is_file()]


def write_pieces(path: Path, pieces: Iterable[bytes]) -> str:
    """Writes bytes to a file as ``replacing`` does, and checks that the disk has every one of them.

    Args:
        path: the file; its folder must exist.
        pieces: the bytes, in order.

    Returns:
        SHA-256 of the bytes, 64 hex digits.

    Raises:
        OSError: the file cannot be written.
    """
    digest = hashlib.sha256()
    with replacing(path) as temporary:
        with temporary.open("xb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if sha256_of(temporary) != digest.hexdigest():
            raise OSError(f"{path} was not written completely; perhaps the disk is full. Choose another disk.")
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``, with its ending in small letters.

    Its file becomes ``path`` if the block succeeds; within ``all_or_none``, at the end of the group.

    Raises:
        OSError: the folder does not exist or cannot be written to, or its disk is full.
    """
    check_folder(path)
    temporary, group = _temporary(path), _group.get()
    try:
        with _named_space(path):
            yield temporary
        if group is None:
            temporary.replace(path)
        else:
            if path in group:
                _remove(group.pop(path))
            group[path] = temporary
    except BaseException:
        with held_stops():
            _remove(temporary)
        raise


@contextmanager
def _named_space(path: Path) -> Iterator[None]:
    """Says for which file there was no space: the system does not."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise OSError(
            f"{path} cannot be written ({error.strerror}). Free some space, or choose another folder."
        ) from error


@contextmanager
def all_or_none() -> Iterator[None]:
    """Moves the files that ``replacing`` writes in the block at its end, in their order: all of them or none.

    A failure or an interrupt removes those that were moved and brings back what they replaced, and removes the folders
    of ``make_folder``. Until then no file changes. A group within a group is a part of it. Only files that the same
    thread writes belong to the group.

    Raises:
        OSError: a file cannot be moved.
    """
    if _group.get() is not None:
        yield
        return
    files: dict[Path, Path] = {}
    folders: list[Path] = []
    tokens = _group.set(files), _made.set(folders)
    try:
        yield
        with held_stops() as stop:
            _move(files, stop)
            folders.clear()
    finally:
        _group.reset(tokens[0])
        _made.reset(tokens[1])
        with held_stops():
            for temporary in files.values():
                _remove(temporary)
            for made in reversed(folders):
                with contextlib.suppress(OSError):  # Another program may have put a file there.
                    made.rmdir()


def make_folder(path: Path) -> None:
    """Makes a folder and those above it; if the group of ``all_or_none`` fails, they go again."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    if (made := _made.get()) is not None:
        made.extend(reversed(missing))
    path.mkdir(parents=True, exist_ok=True)


def _move(files: Mapping[Path, Path], stop: StopRequest) -> None:
    """Sets old files aside, the last first, and moves the new ones, the first first; undoes it on failure.

    So even a killed process leaves no last file (the image) without the first ones (its mask), nor beside new ones.
    A single file replaces the old one in one step.
    """
    aside: dict[Path, Path] = {}
    moved: list[Path] = []
    try:
        for path in reversed(list(files) if len(files) > 1 else []):
            if path.is_symlink() or path.is_file():
                aside[path] = path.replace(_temporary(path))
        for path, temporary in files.items():
            stop.stop()
            moved.append(temporary.replace(path))
    except BaseException:
        for path in reversed(moved):
            _remove(path)
        for path, old in reversed(aside.items()):
            old.replace(path)
        raise
    for old in aside.values():
        _remove(old)


def _temporary(path: Path) -> Path:
    """Hidden name beside ``path`` that is short and has its ending in small letters, as ITK needs it."""
    suffix = known_suffix(path, (SEGMENTATION_SUFFIX, *WRITABLE_SUFFIXES)) or path.suffix.lower()
    return path.with_name(f".{uuid4().hex}-new{suffix}")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _remove(path: Path) -> None:
    """Removes a file that may be gone already, together with its folder."""
    with contextlib.suppress(OSError):
        path.unlink()
