"""Examples in order, made by other processes while the caller uses the last one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from TumorGenCore.training.data.examples import Example, ExampleMaker

__all__ = ["WORTH_A_PROCESS", "examples_ahead"]

#: Number of examples that is worth the start of a process.
WORTH_A_PROCESS = 100
_kept: list[ExampleMaker] = []


def examples_ahead(
    maker: ExampleMaker, size: int, count: int, worth_a_process: int = WORTH_A_PROCESS
) -> Iterator[Example]:
    """Yields examples 0 to ``count`` - 1, the same as those of ``maker.example``.

    Args:
        maker: makes the examples; sent to the processes.
        size: voxels along each axis of a patch.
        count: number of examples.
        worth_a_process: examples per started process; if ``count`` is lower, the calling process makes all of them.

    Yields:
        The examples in the order of their indices.
    """
    processes = min(os.cpu_count() or 1, count // worth_a_process)
    if processes < 1:
        yield from (maker.example(index, size) for index in range(count))
        return
    start = get_context("spawn")  # A forked process would inherit PyTorch's threads in an unknown state.
    with ProcessPoolExecutor(processes, start, _keep, (maker,)) as pool:
        upcoming = deque(pool.submit(_make, index, size) for index in range(min(count, 4 * processes)))
        try:
            for index in range(len(upcoming), count + len(upcoming)):
                yield upcoming.popleft().result()
                if index < count:
                    upcoming.append(pool.submit(_make, index, size))
        finally:
            pool.shutdown(cancel_futures=True)


def _keep(maker: ExampleMaker) -> None:
    """Keeps the maker in a process of the pool, so that it is sent once and not with every example."""
    _kept[:] = [maker]


def _make(index: int, size: int) -> Example:
    return _kept[0].example(index, size)
