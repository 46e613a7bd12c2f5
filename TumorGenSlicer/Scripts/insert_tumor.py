"""Inserts synthetic tumors into a PET volume without opening a window.

    Slicer --no-splash --no-main-window --python-script insert_tumor.py \
        --input PET.nrrd --roi ROI.mrk.json --output FOLDER --variants 3

Checks itself with a phantom, without a scan, and writes a report:

    Slicer --no-splash --no-main-window --python-script insert_tumor.py --self-test REPORT.md

Shows all options:

    Slicer --no-splash --no-main-window --python-script insert_tumor.py -- --help

The file also runs under plain Python if slicer-core is installed: ``python insert_tumor.py --input ...``.

Writes image, mask and provenance of each variant: ``PET_seed7_image.nrrd``, ``PET_seed7_mask.seg.nrrd`` and JSON files
beside them; with --output-dicom FOLDER a DICOM study too. It never overwrites the input, and a failed run leaves no
file behind.

Exit status: 0 done, 1 failed with one clear line, 2 wrong usage, 129, 130 or 143 stopped by the end of the terminal, by
Ctrl+C or by SIGTERM.
"""

# ASCII only: Slicer reads this file in the system's encoding.
# Slicer goes on running without a window after an error in this file. So the file only starts the library, any Python 3
# can parse it, and every way out of it ends in _end.

import sys


def _run() -> int:
    """Runs the script with the arguments of the process; returns the exit status, whatever happens."""
    try:
        from pathlib import Path

        # Slicer runs this file as plain code, so it must find the packages itself. The library lies one folder up. The
        # core lies beside it or, in the source tree, one folder further up.
        for folder in Path(__file__).resolve().parents[1:3]:
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
        from TumorGenSlicerLib.headless.main import main

        return main(sys.argv[1:])
    except KeyboardInterrupt:
        print("insert_tumor: Interrupted.", file=sys.stderr)
        return 130
    except BaseException as error:
        if "--debug" in sys.argv:
            import traceback

            traceback.print_exc()
        reason = " ".join(str(error).split())
        print(
            f"insert_tumor: TumorGen could not start ({type(error).__name__}: {reason}). It needs 3D Slicer 5.12 or "
            "newer, or Python 3.11 to 3.13 with slicer-core. Install it again, or report this with the "
            "traceback that --debug shows.",
            file=sys.stderr,
        )
        return 1


def _end(status: int) -> None:
    """Ends the application, or the process of plain Python."""
    if hasattr(sys.modules.get("slicer"), "app"):
        from slicer.util import exit as end_application

        end_application(status)
    else:
        sys.exit(status)


if __name__ == "__main__":
    _end(_run())
