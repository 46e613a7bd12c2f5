"""Files of a group are there all together or not at all, also if the process is interrupted between two of them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from full_disk import file_size_limit

from TumorGenCore.volumes.safe_write import all_or_none, check_folder, check_space, folded, replacing
from TumorGenCore.volumes.write import check_writable, write_volume


def write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_files_of_a_group_come_at_its_end(tmp_path):
    (tmp_path / "mask").write_text("old")
    with all_or_none():
        write(tmp_path / "mask", "new")
        write(tmp_path / "image", "new")
        assert (tmp_path / "mask").read_text() == "old"
        assert not (tmp_path / "image").exists()
    assert contents(tmp_path) == {"mask": "new", "image": "new"}


def test_failure_after_some_files_leaves_all_as_it_was(tmp_path):
    (tmp_path / "mask").write_text("old")
    with pytest.raises(ValueError, match="odd"), all_or_none():
        write(tmp_path / "mask", "new")
        write(tmp_path / "image", "new")
        raise ValueError("odd")
    assert contents(tmp_path) == {"mask": "old"}


def test_file_that_cannot_be_moved_brings_back_what_the_others_replaced(tmp_path):
    (tmp_path / "mask").write_text("old")
    (tmp_path / "image").mkdir()
    with pytest.raises(OSError, match="image"), all_or_none():
        write(tmp_path / "mask", "new")
        write(tmp_path / "soft", "new")
        write(tmp_path / "image", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image", "mask"]
    assert (tmp_path / "mask").read_text() == "old"


def test_file_that_failed_is_not_part_of_the_group(tmp_path):
    with all_or_none():
        write(tmp_path / "mask", "new")
        with pytest.raises(ValueError, match="odd"), replacing(tmp_path / "image") as temporary:
            temporary.write_text("half")
            raise ValueError("odd")
    assert contents(tmp_path) == {"mask": "new"}


def test_inner_group_waits_for_the_outer_one_and_the_last_text_counts(tmp_path):
    with all_or_none():
        with all_or_none():
            write(tmp_path / "a", "first")
        write(tmp_path / "a", "second")
        assert not (tmp_path / "a").exists()
    assert contents(tmp_path) == {"a": "second"}
    write(tmp_path / "a", "third")
    assert contents(tmp_path) == {"a": "third"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moves_before", range(4))
def test_interrupt_between_two_files_leaves_all_as_it_was(tmp_path, at_rename, number, moves_before):
    """Of the four moves, the first two set the old files aside."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, stop)
    for name in ("mask", "image"):
        (tmp_path / name).write_text("old")
    at_rename += [lambda: None] * moves_before + [lambda: signal.raise_signal(number)]
    try:
        with pytest.raises(KeyboardInterrupt), all_or_none():
            write(tmp_path / "mask", "new")
            write(tmp_path / "image", "new")
    finally:
        signal.signal(number, before)
    expected = "new" if moves_before == 3 else "old"  # After the last move, nothing is left to stop.
    assert contents(tmp_path) == {"mask": expected, "image": expected}


def test_killed_process_leaves_no_image_without_its_mask(tmp_path):
    """Replaces an old pair; the process is killed at each of the moves in turn."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from TumorGenCore.volumes.safe_write import all_or_none, replacing\n"
        "folder, left = Path(sys.argv[1]), [int(sys.argv[2])]\n"
        "def hook(event, arguments):\n"
        "    if event == 'os.rename':\n"
        "        left[0] -= 1\n"
        "        if left[0] < 0: os._exit(9)\n"
        "sys.addaudithook(hook)\n"
        "with all_or_none():\n"
        "    for name in ('mask', 'image'):\n"
        "        with replacing(folder / name) as temporary: temporary.write_text('new')\n"
    )
    for moves in range(4):
        folder = tmp_path / str(moves)
        folder.mkdir()
        for name in ("mask", "image"):
            (folder / name).write_text("old")
        assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", code, str(folder), str(moves)) == 9
        texts = {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")}
        assert "image" not in texts or texts.get("mask") == texts["image"]


def test_temporary_file_keeps_the_ending_in_small_letters_and_has_a_short_name(tmp_path):
    name = "n" * 247 + ".NII.GZ"
    with replacing(tmp_path / name) as temporary:
        assert temporary.name.startswith(".") and temporary.name.endswith(".nii.gz")
        temporary.write_text("new")
    assert contents(tmp_path) == {name: "new"}


def test_names_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(OSError, match="Give another one"):
        check_folder(tmp_path / ("n" * 256))
    with pytest.raises(OSError, match=r"caf\\udce9' is not UTF-8"):
        check_folder(tmp_path / os.fsdecode(b"caf\xe9"))
    check_folder(tmp_path / ("é" * 127))
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_file_is_tried_once(tmp_path):
    if not hasattr(os, "O_TMPFILE"):
        pytest.skip("needs Linux, where a temporary file is opened by its folder")
    tries = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and arguments[:2] == (str(tmp_path), None):
            tries.append(arguments)

    sys.addaudithook(hook)
    write_volume(sitk.Image(4, 4, 4, sitk.sitkUInt8), tmp_path / "a.nrrd", {"seed": 1})
    assert len(tries) == 2  # image and provenance
    check_writable(tmp_path / "a.nrrd")
    assert len(tries) == 3


def test_a_file_that_finds_no_space_is_named_and_leaves_the_old_one(tmp_path):
    (tmp_path / "case").write_text("old")
    with file_size_limit(100), pytest.raises(OSError, match=r"case cannot be written \(File too large\)\. Free some"):
        write(tmp_path / "case", "new" * 1000)
    assert contents(tmp_path) == {"case": "old"}


def test_names_that_a_disk_takes_for_one_are_folded_to_one(tmp_path):
    assert folded("A.nrrd") == folded("a.NRRD") and folded("caf\u00e9") == folded("CAFE\u0301")
    assert folded("a") != folded("b") and folded("cafe") != folded("caf\u00e9")


def test_space_is_counted_for_each_disk(tmp_path):
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    check_space({tmp_path / "a": 1000, tmp_path / "b": 1000})
    with pytest.raises(OSError, match="Free some space"):
        check_space({tmp_path / "a": free * 2 // 3, tmp_path / "b": free * 2 // 3})
