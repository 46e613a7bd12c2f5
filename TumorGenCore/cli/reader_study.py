"""`tumorgen reader-study`: makes a blind set of real and synthetic lesions, and scores the answers of readers."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import Commands, names_of, new_command
from TumorGenCore.console.arguments import add_device, add_model, positive_number, seed_number
from TumorGenCore.console.report import Report

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = commands.add_parser("reader-study", help="ask readers to tell synthetic lesions from real ones")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_make(actions)
    _add_score(actions)


def _add_make(actions: Commands) -> None:
    parser = new_command(actions, "make", "make a page with a blind set of lesions, and its key")
    sources = parser.add_mutually_exclusive_group(required=True)
    sources.add_argument(
        "--data", type=Path, help="folder with *_image.nii.gz and *_mask.nii.gz (SUV) of held-out patients"
    )
    sources.add_argument(
        "--real-folder", type=Path, metavar="DIR", help="such a folder with real lesions; needs --synthetic-folder"
    )
    parser.add_argument("--synthetic-folder", type=Path, metavar="DIR", help="such a folder with synthetic lesions")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the page and the key")
    for truth in ("real", "synthetic"):
        parser.add_argument(
            f"--{truth}", type=positive_number, default=40, metavar="N", help=f"{truth} lesions to show (default: 40)"
        )
    parser.add_argument("--seed", type=seed_number, default=0, help="decides lesions, order and views (default: 0)")
    parser.add_argument("--cases", metavar="A,B,...", help="cases of --data (default: those that the bundle held out)")
    parser.add_argument(
        "--patient-pattern",
        default="^(.+)$",
        metavar="REGEX",
        help="gives the patient of a case in the two folders by its first group (default: the whole name)",
    )
    add_model(parser)
    add_device(parser)
    parser.set_defaults(run=_make)


def _add_score(actions: Commands) -> None:
    parser = new_command(actions, "score", "score the answers of one reader or several")
    parser.add_argument("key", type=Path, metavar="key.json", help="key that was made with the page")
    parser.add_argument("answers", type=Path, nargs="+", metavar="answers.json", help="answers that the page saved")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the scores")
    parser.set_defaults(run=_score)


def _make(options: argparse.Namespace, report: Report) -> None:
    import re

    if (options.real_folder is None) != (options.synthetic_folder is None):
        options.refuse("give --real-folder together with --synthetic-folder")
    if options.real_folder and options.cases:
        options.refuse("--cases goes with --data")
    try:
        if not re.compile(options.patient_pattern).groups:
            options.refuse("--patient-pattern has no group; write the patient in round brackets")
    except re.error as error:
        options.refuse(f"--patient-pattern is not a regular expression: {error}")
    from TumorGenCore.evaluation.reader_study.study import (
        KEY_NAME,
        PAGE_NAME,
        check_output,
        lesions_of_folders,
        lesions_of_patients,
        write_study,
    )

    check_output(options.output)
    counts = (options.real, options.synthetic)
    if options.data:
        from TumorGenCore.insertion.generator import TumorGenerator

        generator = TumorGenerator.from_pretrained(options.model, options.device)
        names = names_of(options.cases)
        lesions, about = lesions_of_patients(generator, options.data, names, counts, options.seed, report.tell)
    else:
        lesions, about = lesions_of_folders(
            options.real_folder, options.synthetic_folder, options.patient_pattern, counts, options.seed, report.tell
        )
    key = write_study(lesions, options.output, options.seed, about)
    page = options.output / PAGE_NAME
    report.values = {
        "study": key["study"],
        "lesions": len(key["lesions"]),
        "page": str(page),
        "key": str(options.output / KEY_NAME),
    }
    report.say(f"Page for the readers: {page} ({len(key['lesions'])} lesions, {page.stat().st_size / 1e6:.1f} MB)")
    report.say(f"Key, which no reader may see: {options.output / KEY_NAME}")


def _score(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.evaluation.reader_study.scores_report import write_scores
    from TumorGenCore.evaluation.reader_study.scoring import score

    scores = score(options.key, options.answers)
    write_scores(scores, options.output)
    report.values = scores
    report.say((options.output / "scores.md").read_text())
