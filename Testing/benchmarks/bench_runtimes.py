"""Compares torch.compile and OpenVINO with the fused blocks that TumorGen uses for the vector field.

    pip install openvino
    python Testing/benchmarks/bench_runtimes.py --patch 96

Times one call of the vector field on a batch of one, in the best precision of this processor. A runtime justifies its
dependency if it is 1.5 times as fast. The output names every runtime that cannot run here.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from measuring import Work, in_turn

from TumorGenCore.bundle.model_bundle import DEFAULT_BUNDLE, load_bundle
from TumorGenCore.method.cpu.fused import use_fused
from TumorGenCore.method.devices import autocast, channels_last, computes_bfloat16
from TumorGenCore.method.vector_field import VectorField

CPU = torch.device("cpu")
Inputs = tuple[torch.Tensor, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    parser.add_argument("--patch", type=int, default=96, help="edge of the working patch in voxels")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    bundle = load_bundle(options.model)
    edge, latent = options.patch // bundle.vae.factor, bundle.vae.latent_channels
    torch.manual_seed(0)
    grid = (edge,) * 3
    inputs = (torch.randn(1, latent + 1, *grid), torch.randn(1, latent, *grid), torch.ones(1, 1, *grid),
              torch.full((1,), 0.5), torch.zeros(1, bundle.vector_field.control_channels))  # fmt: skip
    works: dict[str, Work] = {}
    with torch.inference_mode(), autocast(CPU):
        truth = bundle.vector_field(*inputs).float()
        for name, prepare in WAYS.items():
            start = time.perf_counter()
            try:
                work = prepare(copy.deepcopy(bundle.vector_field), inputs)
                error = float((work().float() - truth).abs().max() / truth.abs().max())
            except Exception as problem:  # A missing or failing runtime is a result, too.
                print(f"{name}: cannot run here ({type(problem).__name__}: {str(problem).splitlines()[0]})")
                continue
            print(f"{name}: ready in {time.perf_counter() - start:.1f} s, error up to {error:.1%} of the largest value")
            works[name] = work
        for line in _lines(in_turn(works, options.repeats)):
            print(line)


def _lines(times: dict[str, list[float]]) -> Iterator[str]:
    ours = statistics.median(times[next(iter(WAYS))])
    for name, taken in times.items():
        median = statistics.median(taken)
        spread = f"{1000 * min(taken):.1f} to {1000 * max(taken):.1f}"
        yield f"{name}: {1000 * median:.1f} ms ({spread}), {ours / median:.2f} times as fast as TumorGen"


def _fused(network: VectorField, inputs: Inputs) -> Callable[[], torch.Tensor]:
    network = channels_last(use_fused(network))
    return lambda: network(*inputs)


def _plain(network: VectorField, inputs: Inputs) -> Callable[[], torch.Tensor]:
    network = channels_last(network)
    return lambda: network(*inputs)


def _compiled(network: VectorField, inputs: Inputs) -> Callable[[], torch.Tensor]:
    made = torch.compile(channels_last(network), options={"freezing": True})
    return lambda: made(*inputs)


def _openvino(network: VectorField, inputs: Inputs) -> Callable[[], torch.Tensor]:
    import openvino

    with torch.autocast("cpu", enabled=False):
        model = openvino.convert_model(network, example_input=inputs, input=[tuple(i.shape) for i in inputs])
    precision = "bf16" if computes_bfloat16(CPU) else "f32"
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    compiled = openvino.Core().compile_model(model, "CPU", {**hints, "INFERENCE_NUM_THREADS": torch.get_num_threads()})
    arrays = [i.numpy() for i in inputs]
    return lambda: torch.from_numpy(compiled(arrays)[0])


#: TumorGen uses the first.
WAYS: dict[str, Callable[[VectorField, Inputs], Callable[[], torch.Tensor]]] = {
    "fused blocks": _fused,
    "MONAI's unchanged blocks": _plain,
    "torch.compile": _compiled,
    "OpenVINO": _openvino,
}

if __name__ == "__main__":
    main()
