"""`tumorgen again`: makes the tumor of a provenance file again, in the same scan."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.cli.outputs import Outputs, add_outputs
from TumorGenCore.console.arguments import add_device
from TumorGenCore.console.report import Report
from TumorGenCore.console.timing import Timing
from TumorGenCore.console.variants import say_variants

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "again", "make the tumor of a provenance file again, in the same scan")
    parser.add_argument("record", type=Path, metavar="PROVENANCE.json", help="provenance file beside a result")
    parser.add_argument("pet", type=Path, metavar="PET", help="scan that the tumor was made from")
    add_outputs(parser)
    parser.add_argument("--model", help="name or folder of a model bundle (default: the one that made the tumor)")
    add_device(parser)
    parser.set_defaults(run=_again)


def _again(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.insertion.provenance import read_provenance
    from TumorGenCore.volumes.read import read_volume

    outputs = Outputs.of(options, options.record)
    outputs.check([0])
    record = read_provenance(options.record)
    timing = Timing()
    with timing.part("read"):
        volume = read_volume(options.pet, record.get("suv_factor"))
    outputs.check_space(volume, 1)
    for line in outputs.more.warnings(volume):
        report.warn(line)
    with timing.part("load model"):
        from TumorGenCore.insertion.again import differences, make_again
        from TumorGenCore.insertion.generator import TumorGenerator

        generator = TumorGenerator.from_pretrained(options.model or record["bundle_name"], options.device)
    with timing.part("insert"):
        made = make_again(record, volume, generator, on_progress=report.progress, should_cancel=report.interrupted)
    lines = differences(record, made)
    for line in (*made.warnings, *lines):
        if line not in volume.warnings:  # reading has given these, with the file's name
            report.warn(line)
    report.values = {"seconds": timing.seconds, "variants": [], "differences": lines}
    with timing.part("write"):
        report.values["variants"] = outputs.write([made], volume, report.interrupted)
    outputs.more.tell(report)
    say_variants(report)
    if not lines:
        report.say("The tumor is identical to the last bit.")
