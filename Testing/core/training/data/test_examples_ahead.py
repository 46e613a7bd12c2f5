"""Examples made by other processes."""

from __future__ import annotations

import numpy as np

from TumorGenCore.training.config import AutoencoderRun
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.data.example_settings import ExampleSettings
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.data.examples_ahead import examples_ahead


def test_examples_made_by_other_processes_are_the_same_in_the_same_order(tiny_cases):
    run = AutoencoderRun()
    maker = ExampleMaker(load_cases(tiny_cases), run.patch, run.offsets, ExampleSettings(), 3)
    here = [maker.example(index, 32) for index in range(9)]
    elsewhere = list(examples_ahead(maker, 32, 9, worth_a_process=4))
    assert len(elsewhere) == 9
    for a, b in zip(here, elsewhere, strict=True):
        assert np.array_equal(a.suv, b.suv) and np.array_equal(a.mask, b.mask) and a.patch.box == b.patch.box
