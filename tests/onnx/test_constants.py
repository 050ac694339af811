"""ONNX's backend cases with constants in place of inputs: what importing folds equals what layers compute."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.runner import Runner

from edgekit.host.source import record_onnx
from edgekit.importers.onnx.constants import FOLDERS
from edgekit.importers.onnx.importer import graph_of
from edgekit.ops.reference import run_reference
from tests.onnx.cases import NOISE, cases, data_sets, passing


def _model(case: TestCase) -> onnx.ModelProto:
    return case.model if case.model_dir is None else onnx.load(Path(case.model_dir) / "model.onnx")


def _check(case: TestCase) -> None:
    """Raise AssertionError where the constants are not what the case expects."""
    record = record_onnx(_model(case))
    for inputs, expected in data_sets(case):
        bound = {info.name: np.asarray(array) for info, array in zip(record.inputs, inputs, strict=True)}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            graph = graph_of(record, Path("m.onnx"), {}, True, bound)
            arrays = run_reference(graph, [])
        got = [arrays[value] for value in graph.outputs]
        Runner.assert_similar_outputs(expected, got, case.rtol, NOISE.get(case.name, case.atol))


FOLDED = [n for n in passing() if n in cases("node") and _model(cases("node")[n]).graph.node[0].op_type in FOLDERS]


@pytest.mark.parametrize("name", FOLDED)
def test_folded(name: str) -> None:
    _check(cases("node")[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(passing()) & set(cases("node")) - set(FOLDED)))
def test_computed_by_layers(name: str) -> None:
    _check(cases("node")[name])
