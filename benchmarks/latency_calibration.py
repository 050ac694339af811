"""Scale of the cycle model per core: `python -m benchmarks.latency_calibration`.

Kernels in the style of the engine that was published (benchmarks/calibration/) run in the emulator. Their modelled
cycles per instruction, against the published ones, give `scale` in edgekit/latency/cores.py; docs/latency.md says how.
Exit code 1 where the committed scale differs by more than 0.02.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgekit.boards import load_board
from edgekit.emulators import RunCounts, open_machine
from edgekit.latency.blocks import core_cycles
from edgekit.latency.cores import CORES
from edgekit.runtime_c import HARNESS, INCLUDE
from edgekit.toolchains import Image, get_toolchain, linker_script

SOURCES = Path(__file__).with_name("calibration")
KERNELS = ("convolution", "pointwise", "depthwise", "fully_connected")
# Shares of a model's instructions; the fully connected model reads its weights once, from flash, and stays out.
MODELS = {
    "residual network": {"convolution": 1.0},
    "separable network": {"pointwise": 0.6, "depthwise": 0.4},
}


@dataclass(frozen=True)
class Published:
    """Cycles per instruction of published results, of models like MODELS."""

    core: str
    board: str
    cycles_per_instruction: float


PUBLISHED = (
    Published("cortex-m4", "stm32l475", 1.66),
    Published("cortex-m33", "stm32u575", 1.39),
    Published("cortex-m7", "stm32f746", 0.98),
)


def measure(board_name: str, folder: Path, toolchain: str = "gcc") -> tuple[Image, RunCounts]:
    """The kernels on a board: their image, and what ran; layers in the order of KERNELS."""
    board = load_board(board_name)
    sources = [HARNESS / "startup.c", SOURCES / "kernels.c", SOURCES / "main.c"]
    script = linker_script(board, 1024)
    image = get_toolchain(toolchain).compile(sources, [SOURCES, INCLUDE], board, folder, script, {})
    with open_machine(board, image, KERNELS, "calibration_run") as machine:
        machine.boot()
        return image, machine.run_once()


def cycles_per_instruction(core: str, image: Image, counts: RunCounts) -> dict[str, float]:
    """Of every kernel, before any scale."""
    cycles = core_cycles(CORES[core], image, counts.blocks, len(KERNELS))
    return {k: c / n for k, c, n in zip(KERNELS, cycles, counts.per_layer, strict=False)}


def scale(published: Published, kernels: dict[str, float]) -> float:
    """What the modelled cycles have to be multiplied by."""
    models = [sum(share * kernels[k] for k, share in mix.items()) for mix in MODELS.values()]
    return published.cycles_per_instruction / (sum(models) / len(models))


def main() -> int:
    """Print the table."""
    wrong = False
    for published in PUBLISHED:
        with tempfile.TemporaryDirectory() as folder:
            image, counts = measure(published.board, Path(folder))
            kernels = cycles_per_instruction(published.core, image, counts)
        found, committed = scale(published, kernels), CORES[published.core].scale
        wrong |= abs(found - committed) > 0.02
        print(f"{published.core}: " + ", ".join(f"{k} {v:.3f}" for k, v in kernels.items()))
        print(f"  published {published.cycles_per_instruction:.2f}: scale {found:.3f}, committed {committed:.3f}")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
