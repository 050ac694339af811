"""How torch computes here: on one thread of the processor, or exactly on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from edgekit.errors import BadUsage

DEVICES = ("cpu", "cuda")


def device_named(name: str) -> torch.device:
    """One of DEVICES.

    Raises BadUsage for another name, and for "cuda" where torch finds no GPU.
    """
    if name not in DEVICES:
        raise BadUsage(f"no device named {name!r} to learn on: use {' or '.join(DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise BadUsage(
            f"torch {torch.__version__} finds no CUDA GPU to learn on: install a build of torch for CUDA and look at "
            "nvidia-smi, or learn on the processor with --learn-on cpu"
        )
    return torch.device(name)


@contextmanager
def settled_arithmetic() -> Iterator[None]:
    """The same for every caller, and as it was before afterwards.

    One thread: sums of several would round differently, and for such small layers they take longer. On a GPU whole
    float32 (no TF32) and convolutions that sum in one order; gathers and scatters may still sum in another one in
    each run.
    """
    threads, precision, cudnn = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.backends.cudnn
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    try:
        with cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
