"""Exports the files of a repository's last commit as a repository of its own, with one commit and no older history.

Slicer's Extensions Index counts a whole clone, ``.git`` included, so the history of the weights must stay behind. This
module knows nothing of the Index and its rules.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

BRANCH = "main"
#: Author of the export's commit. The address cannot exist; a person puts their own name there before they push.
AUTHOR, ADDRESS = "TumorGen developers", "developers@tumorgen.invalid"
#: Key in the export's own git settings, which no clone takes along: the export's one commit, as it was made.
MADE_KEY = "tumorgen.exported"
#: Inside a git hook these variables name another repository.
OTHER_REPOSITORY = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"}


class ReleaseError(Exception):
    """The export cannot be made; the text says why and what to do."""


@dataclass(frozen=True)
class Export:
    """A finished export.

    Args:
        folder: the new repository.
        source: hash of the commit whose files it holds.
        left_out: uncommitted changes of the source, one line of ``git status`` each, which the export does not hold.
    """

    folder: Path
    source: str
    left_out: list[str]


def git(folder: Path, *arguments: str, stdin: bytes | None = None, own_settings: bool = False) -> bytes:
    """Runs git in a folder.

    Args:
        folder: where git runs.
        arguments: the git command.
        stdin: what git reads from its standard input.
        own_settings: whether git ignores the settings of the user and of the machine (hooks, line ends, signatures).

    Returns:
        What git printed.

    Raises:
        ReleaseError: git failed.
    """
    environment = {key: value for key, value in os.environ.items() if key not in OTHER_REPOSITORY}
    if own_settings:
        environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(["git", "-C", folder, *arguments], input=stdin, capture_output=True, env=environment)
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()
        raise ReleaseError(f"git {arguments[0]} failed in {folder}: {message}")
    return done.stdout


def uncommitted(repository: Path, *also: str) -> list[str]:
    """Changes and new files that the last commit does not hold, one line of ``git status`` each."""
    found = git(repository, "status", "--porcelain", "--untracked-files=all", *also)
    return found.decode(errors="replace").splitlines()


def version(repository: Path, commit: str) -> str:
    """The version that a commit's pyproject.toml gives."""
    return tomllib.loads(git(repository, "show", f"{commit}:pyproject.toml").decode())["project"]["version"]


def export(repository: Path, destination: Path, allow_dirty: bool = False) -> Export:
    """Exports the files of HEAD. The destination gets the whole export or stays as it was.

    Two exports of one commit are equal, to the hash of their commit.

    Args:
        repository: top folder of the source's working tree.
        destination: folder of the export. An older export there is replaced; anything else is left alone.
        allow_dirty: exports HEAD although the working tree has uncommitted changes.

    Raises:
        ReleaseError: the working tree has uncommitted changes, the destination holds something else, or git failed.
    """
    left_out = uncommitted(repository)
    if left_out and not allow_dirty:
        shown = "\n".join(f"  {line}" for line in left_out[:10])
        raise ReleaseError(
            f"The working tree has {len(left_out)} uncommitted changes, which the export would not hold:\n{shown}\n"
            "Commit or remove them, or export the last commit all the same with ALLOW_DIRTY=1."
        )
    source = git(repository, "rev-parse", "HEAD").decode().strip()
    destination = destination.absolute()
    refuse_to_lose(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        made = workshop / "new"
        build(repository, source, made)
        move_into_place(made, destination, workshop / "old")
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return Export(destination, source, left_out)


def refuse_to_lose(destination: Path) -> None:
    """Raises ReleaseError when the destination holds anything but an export that nobody has worked in."""
    if not destination.exists() or (destination.is_dir() and not any(destination.iterdir())):
        return
    if not (destination / ".git").is_dir():
        raise ReleaseError(f"{destination} is there already and is no export. Move it away or give another OUTPUT.")
    made = git(destination, "config", "--local", "--get", "--default", "", MADE_KEY).decode().split()
    commits = git(destination, "for-each-ref", "--format=%(objectname)").decode().split()
    remotes = git(destination, "remote").strip()
    if not made or commits != made or remotes or uncommitted(destination, "--ignored"):
        raise ReleaseError(
            f"{destination} is no untouched export: it has new files, further commits or a remote. "
            "Move it away or give another OUTPUT."
        )


def build(repository: Path, commit: str, folder: Path) -> None:
    """Makes the new repository: exactly the files of the commit, in one pack, with one commit on ``main``."""
    tree = git(repository, "rev-parse", f"{commit}^{{tree}}").decode().strip()
    date = git(repository, "show", "--no-patch", "--format=%ct", commit).decode().strip()
    pack = git(repository, "pack-objects", "--revs", "--stdout", "-q", stdin=f"{tree}\n".encode())

    folder.mkdir()
    # An empty template: no sample hooks.
    git(folder, "init", "--quiet", "--template=", f"--initial-branch={BRANCH}", own_settings=True)
    git(folder, "index-pack", "--stdin", stdin=pack, own_settings=True)
    by = f"{AUTHOR} <{ADDRESS}> {date} +0000"
    text = f"tree {tree}\nauthor {by}\ncommitter {by}\n\nTumorGen {version(repository, commit)}\n"
    hashed = git(folder, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode(), own_settings=True)
    made = hashed.decode().strip()
    git(folder, "update-ref", f"refs/heads/{BRANCH}", made, own_settings=True)
    git(folder, "reset", "--quiet", "--hard", own_settings=True)
    git(folder, "config", MADE_KEY, made, own_settings=True)
    git(folder, "fsck", "--full", "--strict", "--no-dangling", own_settings=True)


def move_into_place(made: Path, destination: Path, aside: Path) -> None:
    """Moves a finished export to its destination; an older one there comes back if that fails."""
    replaced = destination.exists()
    if replaced:
        destination.rename(aside)
    try:
        made.rename(destination)
    except BaseException:
        if replaced:
            aside.rename(destination)
        raise
