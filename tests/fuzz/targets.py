"""What is fuzzed: each target takes bytes and returns, unless it has found a bug."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgekit.codegen.emit import emit_model
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import PlanRegion, plan_memory, validate_plan
from edgekit.errors import EdgekitError
from edgekit.importers.onnx import import_onnx
from edgekit.importers.tflite import import_tflite
from edgekit.ir import Array, DType, Graph
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.ops.verify import verify_graph
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from edgekit.source import is_float
from tests.fuzz.choices import Choices
from tests.fuzz.random_graphs import random_graph

UNLIMITED = 1 << 40
# C is emitted of programs up to this size only: a page of numbers per program would be all that is fuzzed.
EMITTED_BYTES = 4096


def onnx_file(data: bytes) -> None:
    """A file through the ONNX importer and all stages up to C, once as codes and once as plain numbers."""
    for literal in (False, True):
        _through(lambda path, literal=literal: import_onnx(path, {}, literal), data, "m.onnx", literal)


def tflite_file(data: bytes) -> None:
    """A file through the TFLite importer and all stages up to C."""
    _through(import_tflite, data, "m.tflite", False)


def passes(data: bytes) -> None:
    """Passes keep the results of a random graph: in integers bit for bit, in floats up to rounding."""
    choices = Choices(data)
    exact = choices.chance(2)
    graph, same = (random_graph(Choices(data[1:]), exact) for _ in range(2))
    verify_graph(graph, "generation")
    inputs = _inputs(graph, np.random.default_rng(1), exact)
    _compare(graph, optimise(same), inputs, exact)
    _finish(same, floats=True)


def quantizer(data: bytes) -> None:
    """A random float graph becomes an integer one that is built, and that the passes keep bit for bit."""
    graph = random_graph(Choices(data), False)
    rng = np.random.default_rng(2)
    samples = [_inputs(graph, rng, False) for _ in range(2)]
    try:
        integer, same = (quantize_graph(graph, samples) for _ in range(2))
        require_supported_graph(integer)
    except EdgekitError as error:
        _expected(error)
        return
    codes = [
        [v.quant.quantize(a, v.dtype) if v.quant else a for v, a in zip(integer.inputs, sample, strict=True)]
        for sample in samples
    ]
    _compare(integer, optimise(same), codes[0], exact=True)
    _finish(same, floats=False)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "onnx": onnx_file,
    "tflite": tflite_file,
    "passes": passes,
    "quantizer": quantizer,
}


def _through(importer: Callable[[Path], Graph], data: bytes, name: str, floats: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="edgekit-fuzz-", dir=_scratch()) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            graph = importer(path)
            verify_graph(graph, "import")
            graph = optimise(graph)
            if not floats and is_float(graph):
                sample = [np.random.default_rng(0).uniform(0, 1, v.shape).astype(np.float32) for v in graph.inputs]
                graph = quantize_graph(graph, [sample])
        except EdgekitError as error:
            _expected(error)
            return
        _finish(graph, floats)


def _scratch() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _finish(graph: Graph, floats: bool) -> None:
    """Lower, plan and emit what the constraints allow."""
    try:
        require_supported_graph(graph)
        program = lower(graph, Target(dsp=True), floats)
    except EdgekitError as error:
        _expected(error)
        return
    plan = plan_memory(program, [PlanRegion("any", UNLIMITED)])
    validate_plan(program, plan)
    if sum(constant.size for constant in program.constants) <= EMITTED_BYTES:
        for text in emit_model("model", program, plan).files.values():
            assert text.isascii(), "a name of the file reached the C code"


def _expected(error: EdgekitError) -> None:
    """An error that a bad file may give; any other is a bug in edgekit."""
    if error.exit_code != 2:
        raise error
    assert str(error).strip(), "an error without a message"


def _inputs(graph: Graph, rng: np.random.Generator, exact: bool) -> list[Array]:
    arrays: list[Array] = []
    for value in graph.inputs:
        if value.dtype is DType.BOOL:
            arrays.append(rng.integers(0, 2, value.shape).astype(bool))
        elif value.dtype.is_float and not exact:
            arrays.append(rng.normal(0, 1, value.shape).astype(value.dtype.numpy))
        else:
            arrays.append(rng.integers(-4, 5, value.shape).astype(value.dtype.numpy))
    return arrays


def _compare(graph: Graph, optimised: Graph, inputs: list[Array], exact: bool) -> None:
    """Outputs of both; `exact` graphs of floats hold whole numbers that no rounding touches."""
    assert len(graph.outputs) == len(optimised.outputs)
    with np.errstate(all="ignore"):
        before, after = run_reference(graph, inputs), run_reference(optimised, inputs)
    for old, new in zip(graph.outputs, optimised.outputs, strict=True):
        assert (old.shape, old.dtype, old.quant) == (new.shape, new.dtype, new.quant), f"output {old.name} changed"
        want, got = before[old], after[new]
        if exact or want.dtype.kind != "f":
            np.testing.assert_array_equal(got, want, f"output {old.name}")
        else:
            size = max(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0.0)))
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * size, err_msg=f"output {old.name}")
