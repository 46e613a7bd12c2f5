"""The methods of a comparison and their names."""

from __future__ import annotations

from collections.abc import Sequence

from TumorGenCore.evaluation.rivals.blended_latents import BlendedLatents
from TumorGenCore.evaluation.rivals.copy_paste import CopyPaste
from TumorGenCore.evaluation.rivals.donors import Donors
from TumorGenCore.evaluation.rivals.gan import GanPatches
from TumorGenCore.evaluation.rivals.host import Rival
from TumorGenCore.evaluation.rivals.latent_diffusion import LatentDiffusion
from TumorGenCore.evaluation.rivals.own import Own
from TumorGenCore.evaluation.rivals.rule_based import RuleBased
from TumorGenCore.evaluation.rivals.whole_diffusion import DiffusionPatches
from TumorGenCore.evaluation.rivals.whole_patches import WholePatches
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.quality import GOOD_QUALITY
from TumorGenCore.method.solver_names import SOLVERS
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.stages.rival import TrainedRival

__all__ = ["rivals_of"]


def rivals_of(generator: TumorGenerator, training: Sequence[Case], trained: Sequence[TrainedRival]) -> dict[str, Rival]:
    """Returns every method by its name in the report, in the order of the report.

    Args:
        generator: the bundle; all methods use its VAE and its working patch.
        training: cases that provide tumors and masks.
        trained: trained rivals.

    Raises:
        TrainingDataError: no training case has a tumor.
    """
    donors, settings = Donors(training), generator.bundle.patch
    methods: dict[str, Rival] = {
        "copy-paste": CopyPaste(donors, settings),
        "SynTumor's manner": RuleBased(donors.uptake(), settings),
    }
    for rival in trained:
        methods.update(_of_trained(rival, generator, donors))
    for steps in (50, 10, 4):
        methods[f"TumorGen, Euler-{steps}"] = Own(generator, TumorRequest(steps, "euler"))
    for solver in (s for s in SOLVERS if s != "euler"):
        for steps in (10, 4):
            methods[f"TumorGen, {solver.capitalize()}-{steps}"] = Own(generator, TumorRequest(steps, solver))
    usual = generator.bundle.sampling
    redrawn = f"TumorGen, {usual.solver.capitalize()}-{usual.steps}, poor ones redrawn"
    methods[redrawn] = Own(generator, TumorRequest(least_quality=GOOD_QUALITY))
    return methods


def _of_trained(rival: TrainedRival, generator: TumorGenerator, donors: Donors) -> dict[str, Rival]:
    edges, settings = [int(size) for size in rival.run.buckets], generator.bundle.patch
    match rival.run.kind:
        case "unconditional":
            return {"BLD's manner, Euler-50": BlendedLatents(generator, rival)}
        case "gan":
            return {"HA-GAN's manner": WholePatches(GanPatches(generator, rival), edges, settings)}
        case "whole-diffusion":
            make = DiffusionPatches(generator, rival)
            return {"MedFusion's manner, DDIM-50": WholePatches(make, edges, settings)}
        case _:
            return {
                "DiffTumor's manner, DDPM-50": LatentDiffusion(generator, rival, donors.shape, "ddpm"),
                "DiffTumor's manner, DDIM-50": LatentDiffusion(generator, rival, donors.shape, "ddim"),
            }
