"""The ablation from the folder to the report, on tiny networks; shared networks, resume and refused input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hot_finder import hot_finder
from matplotlib.image import imread

from TumorGenCore.bundle.laws import UptakeLaw
from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.cli import main
from TumorGenCore.errors import ModelBundleError, TrainingDataError
from TumorGenCore.evaluation.features.resampling import mean_of_patients
from TumorGenCore.evaluation.sites import evaluate_site
from TumorGenCore.evaluation.studies.ablation import FIGURES, VARIANTS, AblationPlan, ablate
from TumorGenCore.evaluation.studies.ablation_text import ablation_text
from TumorGenCore.evaluation.themes.equality import differences
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.training.config import DataSettings, GeneratorRun, default_config, read_config
from TumorGenCore.training.loop.settings import LoopSettings

#: These tests train networks.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_curves")]

PATTERN = r"^(P\d)"
RUN = GeneratorRun(
    data=DataSettings(patient_pattern=PATTERN, validation_share=0.34, always_train=["P4"]),
    loop=LoopSettings(steps=3, learning_rate=5e-3, warmup_steps=2, validate_steps=3, checkpoint_minutes=60),
    channels=[8, 16],
    attention_levels=[False, True],
    num_head_channels=8,
    norm_num_groups=4,
    refiner_channels=8,
    buckets={"16": [4, 2, 1.0]},
    validation_examples=2,
    uptake=UptakeLaw(5.0),
    sampling=Sampling(steps=2, mask_noise=0.3),
)
NAMES = ["full", "no-fine", "no-refiner", "no-fit", "not-drawn", "no-noise", "mask-noise"]
NAMES += ["mask-after", "no-box-channel", "uniform-time", "replace"]
TRAINED = {"full", "no-fine", "mask-after", "no-box-channel", "uniform-time"}


@pytest.fixture(scope="module")
def segmenter():
    return hot_finder(2.0, ("P4",), PATTERN, spacing_mm=4.0)


@pytest.fixture(scope="module")
def output(tiny_cases, tiny_autoencoder, segmenter, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ablation") / "out"
    ablate(AblationPlan(tiny_cases, tiny_autoencoder, folder, RUN, NAMES, seeds=2), segmenter)
    return folder


def report_of(output: Path) -> dict:
    text = (output / "report.json").read_text()
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the report"))


def test_variants_differ_in_one_thing_and_share_what_is_the_same(output) -> None:
    runs = {path.parent.name: read_config(GeneratorRun, path) for path in output.glob("*/generator.json")}
    assert set(runs) == TRAINED
    assert runs["full"] == RUN
    for name, run in runs.items():
        changed = [key for key in vars(run) if getattr(run, key) != getattr(RUN, key)]
        assert changed == list(VARIANTS[name].changes)
    # All variants but mask-after use the latents of full.
    assert len(list((output / "cache").iterdir())) == 2
    weights = {name: (output / name / "bundle/models/vector_field.safetensors").read_bytes() for name in TRAINED}
    assert len(set(weights.values())) == len(TRAINED)


@pytest.mark.parametrize("name", ["mask-after", "no-box-channel"])
def test_networks_that_the_product_would_use_wrongly_are_the_studys_alone(output, name) -> None:
    folder, variant = output / name / "bundle", VARIANTS[name]
    with pytest.raises(ModelBundleError, match=f"the variant {name} of a study"):
        load_bundle(folder)
    with pytest.raises(ModelBundleError, match=f"not the variant {name}"):
        variant.switch.load(output / "full" / "bundle")
    loaded = variant.switch.load(folder)
    assert loaded.variant == name and type(loaded.vector_field) is variant.switch.stage.field_kind
    assert "condition" not in json.loads((folder / "configs" / "metadata.json").read_text())["tumorgen"]
    # The distribution of times matters in training only.
    assert load_bundle(output / "uniform-time" / "bundle").variant == ""


def test_what_a_bundle_carries_can_be_left_out(output) -> None:
    carried = load_bundle(output / "full" / "bundle")
    assert carried.uptake.draw(0, 1.0, 9.0) is not None
    left_out = replace(carried, **VARIANTS["not-drawn"].bundle)
    assert left_out.uptake.draw(0, 1.0, 9.0) is None and left_out.fill.draw(0) is None
    assert replace(carried, **VARIANTS["no-noise"].bundle).noise.share == 0
    assert carried.sampling == RUN.sampling


def test_the_report_has_a_row_a_variant_at_the_same_sites(output) -> None:
    report = report_of(output)
    assert list(report["variants"]) == NAMES
    sites = [[row["site"] for row in variant["sites"]] for variant in report["variants"].values()]
    assert all(row == sites[0] for row in sites) and len(sites[0]) >= 2
    full = report["variants"]["full"]
    assert full["over_full"] is None
    for name in NAMES[1:]:
        variant = report["variants"][name]
        for figure in FIGURES:
            here, there, over = (row[figure]["mean"] for row in (variant["all"], full["all"], variant["over_full"]))
            assert None in (here, there) or over == pytest.approx(here - there)
    assert report["real"]["dice"]["mean"] > 0.7
    equality = full["equality"]
    assert equality["all"]["tumors"] + full["empty"] == 2 * len(sites[0])
    assert equality["all"]["compared"] == equality["tumor"]["compared"] + equality["healthy"]["compared"]
    text = (output / "report.md").read_text()
    assert all(f"| {VARIANTS[name].label} |" in text for name in NAMES)
    assert text.count("real lesions; it needs 5") == 2
    assert imread(output / "ablation.png").shape[1] > 1000


def test_a_finished_variant_is_not_trained_again(output, tiny_cases, tiny_autoencoder, segmenter) -> None:
    weights = output / "full" / "bundle" / "models" / "vector_field.safetensors"
    before = weights.stat().st_mtime_ns
    plan = AblationPlan(tiny_cases, tiny_autoencoder, output, RUN, ["full", "no-coarse"], seeds=1)
    report = ablate(plan, segmenter, resume=True)
    assert weights.stat().st_mtime_ns == before
    assert list(report["variants"]) == ["full", "no-coarse"]
    assert (output / "no-coarse" / "bundle").is_dir()
    with pytest.raises(TrainingDataError, match="--resume"):
        ablate(plan, segmenter)
    with pytest.raises(TrainingDataError, match="started with other settings"):
        ablate(replace(plan, run=GeneratorRun(data=RUN.data)), segmenter, resume=True)


def test_a_variant_is_sampled_as_it_says(
    output, tiny_cases, tiny_autoencoder, segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Sampling] = []

    def seen(generator: TumorGenerator, *others):
        used.append(generator.bundle.sampling)
        return evaluate_site(generator, *others)

    monkeypatch.setattr("TumorGenCore.evaluation.studies.ablation.evaluate_site", seen)
    plan = AblationPlan(tiny_cases, tiny_autoencoder, output, RUN, ["full", "mask-noise"], seeds=1)
    ablate(plan, segmenter, resume=True)
    assert set(used) == {RUN.sampling, replace(RUN.sampling, mask_noise=1.0)}


def test_bad_input_is_refused_before_any_output(tiny_cases, tiny_autoencoder, segmenter, tmp_path, capsys) -> None:
    plan = AblationPlan(tiny_cases, tiny_autoencoder, tmp_path / "out", RUN)
    with pytest.raises(TrainingDataError, match=r"variants \['no-luck'\] do not exist"):
        ablate(replace(plan, only=["full", "no-luck"]), segmenter)
    with pytest.raises(TrainingDataError, match="segmenter was trained on the patients"):
        ablate(plan, hot_finder(2.0, ("P1-a", "P2", "P3"), PATTERN))
    none = GeneratorRun(data=DataSettings(patient_pattern=PATTERN, validation_share=0.0))
    with pytest.raises(TrainingDataError, match="holds out no patient"):
        ablate(replace(plan, run=none), segmenter)
    options = ["--data", str(tiny_cases), "--autoencoder", str(tiny_autoencoder), "--output", str(tmp_path / "out")]
    assert main(["ablate", *options, "--segmenter", str(tmp_path)]) == 1
    assert "train segmenter" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_shipped_configuration_is_one_of_a_generator() -> None:
    run = read_config(GeneratorRun, default_config("ablation"))
    assert set(run.buckets) == {"32", "48"}
    tight = VARIANTS["tight-box"].changes["offsets"]
    assert tight.alpha == 0 and run.offsets.alpha > 0


def test_distances_are_shown_with_their_floor_and_reasons_are_named() -> None:
    row = {"value": 1.5, "floor": 0.7, "excess": 0.8, "value_interval": [1, 2], "floor_interval": None}
    means = {name: mean_of_patients({"A": 0.5}) for name in FIGURES}
    equality = {"all": differences([], [])}
    variant = {
        "label": "TumorGen",
        "equality": equality,
        "all": means,
        "tumor": means,
        "healthy": means,
        "over_full": None,
        "empty": 1,
    }
    report = {
        "steps": 1,
        "patients": ["A"],
        "real": {name: mean_of_patients({}) for name in ("dice", "nsd")},
        "variants": {"full": variant},
        "frechet": {
            "radiomics": {"methods": {"full": {**row, "excess_interval": [0.1, 1.2]}}},
            "efflite0": {"methods": {"full": {"left_out": "too few."}}},
        },
    }
    text = ablation_text(report)
    assert "| TumorGen | 1.50 (1.00 to 2.00) | 0.80 (0.10 to 1.20) | - | - | 0.50 | 1 |" in text
    assert "| real, held out | 0.70 | - |" in text
    assert "left out for full: too few." in text
