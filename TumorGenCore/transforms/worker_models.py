"""One generator for each process, however many transforms and epochs it serves."""

from __future__ import annotations

from functools import cache

import SimpleITK as sitk
import torch
from torch.utils.data import get_worker_info

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["generator_of"]


def generator_of(model: str, device: str) -> TumorGenerator:
    """Returns the generator of this process; the first call loads the model.

    A worker that is forked after the first call shares the networks of its parent. In a worker of a ``DataLoader``, ITK
    gets as many threads as PyTorch has there, which is one.

    Args:
        model: name of an installed bundle, or its folder.
        device: see ``TumorGenerator``.

    Raises:
        ModelBundleError: the bundle cannot be used.
        InvalidRequestError: the device is not there, or a forked worker cannot use it.
    """
    if device != "cpu" and torch.cuda._is_in_bad_fork():
        raise InvalidRequestError(
            "A forked worker cannot use CUDA. Give the DataLoader multiprocessing_context='spawn', or insert tumors on "
            "the CPU with device='cpu'."
        )
    return _loaded(model, device)


@cache
def _loaded(model: str, device: str) -> TumorGenerator:
    if get_worker_info() is not None:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(torch.get_num_threads())
    return TumorGenerator.from_pretrained(model, device)
