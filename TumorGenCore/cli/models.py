"""`tumorgen models`: lists the installed bundles."""

from __future__ import annotations

import argparse

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.console.report import Report
from TumorGenCore.errors import ModelBundleError

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    new_command(commands, "models", "list the installed model bundles").set_defaults(run=_models)


def _models(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.bundle.model_bundle import installed_bundles, load_bundle

    report.values = {"models": []}
    for folder in installed_bundles():
        try:
            bundle = load_bundle(folder)
        except ModelBundleError as error:
            report.warn(str(error))
            continue
        card = folder / "docs" / "README.md"
        entry = {"name": bundle.name, "version": bundle.version, "sha256": bundle.weights_hash, "card": str(card)}
        report.values["models"].append({**entry, "sampling": bundle.sampling.as_dict()})
        sampled = f"{bundle.sampling.steps} {bundle.sampling.solver} steps"
        report.say(f"{bundle.name} {bundle.version}  {sampled}  sha256 {bundle.weights_hash[:16]}  {card}")
    if not report.values["models"]:
        report.say("No model bundle is installed. Train one with `tumorgen train`.")
