"""Ranges of all values of a float graph over calibration samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgekit.errors import BadData, UnsupportedModel
from edgekit.ir import Array, DType, Graph, Value
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.quant.constants import infinite_ranges, require_codable
from edgekit.quant.observers import Observer, Range, make_observer
from edgekit.quant.scores import mask_ranges, score_floors


def calibrate(
    graph: Graph,
    samples: Sequence[Sequence[Array]],
    observer: str = "minmax",
    progress: Callable[[int], None] | None = None,
) -> dict[Value, Range]:
    """(low, high) of every computed value and graph input, 0 included, and of constants that are masks.

    What counts for nothing in a softmax (`edgekit.quant.scores`) is no part of a range.

    Args:
        graph: float32 throughout.
        samples: one list of float32 arrays per sample, in the order and shapes of the graph's inputs.
        observer: "minmax", "percentile" or "mse".
        progress: called with the number of samples done.

    Raises UnsupportedModel for a graph that is not float or has constants without codes, BadData for no samples or
    numbers that are not finite.
    """
    require_float(graph)
    require_codable(graph)
    require_supported_graph(graph)
    if not samples:
        raise BadData("calibration needs at least one sample")
    observers: dict[Value, Observer] = {}
    floors: dict[Value, float] = {}
    for index, sample in enumerate(samples):
        with np.errstate(over="ignore", invalid="ignore"):
            values = run_reference(graph, check_sample(graph, sample, index), exact=False)
        floors = score_floors(graph, values)
        for value, array in values.items():
            if value.dtype is not DType.FLOAT32:
                continue
            if value in floors:
                array = np.maximum(array, np.float32(floors[value]))
            if not np.isfinite(array).all():
                made = f"calibration sample {index} makes {value.name!r} infinite or NaN"
                raise BadData(f"{made}: leave it out, or look for numbers out of proportion in the layers before")
            if value not in observers:
                observers[value] = make_observer(observer)
            observers[value].update(array)
        if progress is not None:
            progress(index + 1)
    ranges = {value: seen.range() for value, seen in observers.items()}
    return ranges | infinite_ranges(graph, ranges) | mask_ranges(floors, ranges)


def require_float(graph: Graph) -> None:
    """Raise UnsupportedModel for an input that is not float32, or a value that has codes already."""
    for value in graph.inputs:
        if value.dtype is not DType.FLOAT32:
            raise UnsupportedModel(f"input {value.name!r} is {value.dtype.value}: only float32 models can be quantized")
    for value in graph.values():
        if value.quant is not None or value.dtype is DType.FLOAT64:
            raise UnsupportedModel(f"value {value.name!r} is {value.dtype.value}: only float32 models can be quantized")


def check_sample(graph: Graph, sample: Sequence[Array], index: int) -> list[Array]:
    """The sample's arrays, after checking number, shape and type; raises BadData."""
    shapes = [tuple(a.shape) for a in sample]
    if shapes != [v.shape for v in graph.inputs] or any(a.dtype != np.float32 for a in sample):
        wanted = [list(v.shape) for v in graph.inputs]
        raise BadData(f"sample {index} has shapes {[list(s) for s in shapes]}, needs float32 {wanted}")
    return list(sample)
