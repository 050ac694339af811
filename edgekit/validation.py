"""Is the firmware right? Emulated outputs against the numpy reference, layer by layer, and against other runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.emulators import RunCounts
from edgekit.firmware import Firmware
from edgekit.ir import Array, Graph
from edgekit.ops.reference import run_reference, same_numbers
from edgekit.progress import Progress


@dataclass(frozen=True)
class Validation:
    """What the emulator showed.

    Attributes:
        outputs: per sample, one array per graph output, as emulated.
        references: the same from the numpy reference.
        first_mismatch: the first layer that differs, or None where every bit is equal.
        counts: executed instructions of one inference, the last one; layers are the program's steps.
        stack_measured: bytes, the emulator's high-water mark.
    """

    outputs: list[list[Array]]
    references: list[list[Array]]
    first_mismatch: str | None
    counts: RunCounts
    stack_measured: int

    @property
    def bit_exact(self) -> bool:
        return self.first_mismatch is None


def validate_firmware(
    firmware: Firmware, graph: Graph, samples: Sequence[Sequence[Array]], progress: Progress
) -> Validation:
    """Run every sample in the emulator and compare; the first one is compared after every layer."""
    outputs: list[list[Array]] = []
    references: list[list[Array]] = []
    mismatch, counts = None, RunCounts(0, [0] * len(firmware.steps))
    with firmware.machine() as machine:
        for index, sample in enumerate(progress.track(samples, "emulating")):
            values = run_reference(graph, sample)
            references.append([values[v] for v in graph.outputs])
            firmware.write_inputs(machine, sample)
            if index == 0:
                mismatch = firmware.first_difference(machine, graph, values)
                firmware.write_inputs(machine, sample)
            counts = machine.run_once()
            outputs.append(firmware.read_outputs(machine))
            if mismatch is None and not _equal(outputs[-1], references[-1]):
                # An input-dependent difference: run this sample again, layer by layer, to name where it starts.
                firmware.write_inputs(machine, sample)
                mismatch = firmware.first_difference(machine, graph, values)
                mismatch = mismatch or f"outputs of sample {index} (all layers agree when run one by one)"
        stack = machine.stack_high_water()
    return Validation(outputs, references, mismatch, counts, stack)


def _equal(got: Sequence[Array], want: Sequence[Array]) -> bool:
    return all(same_numbers(g, w) for g, w in zip(got, want, strict=True))


def top1(outputs: Sequence[Sequence[Array]], labels: Array) -> float:
    """Share of samples whose largest first output is the label; see `odd_labels` for those that cannot be."""
    guesses = [int(np.argmax(o[0].reshape(-1))) for o in outputs]
    return float(np.mean(np.array(guesses) == labels[: len(guesses)]))


def odd_labels(graph: Graph, labels: Array) -> str | None:
    """Why labels are no classes of a graph's first output, in a sentence for people; None where they are."""
    scores, low, high = graph.outputs[0].elements, int(labels.min()), int(labels.max())
    if scores >= 2 and low >= 0 and high < scores:
        return None
    return (
        f"no accuracy was measured: labels from {low} to {high} do not say which number of the first output, which has "
        f"{scores}, should be the largest"
    )
