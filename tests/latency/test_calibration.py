"""The committed scales are what the calibration finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.latency_calibration import PUBLISHED, Published, cycles_per_instruction, measure, scale
from edgekit.latency.cores import CORES
from edgekit.toolchains.gcc import COMMAND


@pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"{COMMAND} is not installed, which published results used")
@pytest.mark.parametrize("published", PUBLISHED, ids=lambda p: str(p.core))
def test_committed_scale(published: Published, tmp_path: Path) -> None:
    image, counts = measure(published.board, tmp_path)
    kernels = cycles_per_instruction(published.core, image, counts)
    # Another version of the compiler makes another mix of instructions.
    assert scale(published, kernels) == pytest.approx(CORES[published.core].scale, rel=0.05)
