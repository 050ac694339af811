"""ONNX's backend cases, and what edgekit does with each of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

import edgekit.onnx_backend as backend
from edgekit.errors import EdgekitError, InternalError, ToolchainError

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
PASSING = Path(__file__).parent / "passing.txt"
PASSED, REFUSED = "passed", "refused"

# What these cases expect where a sum is exactly 0 is the rounding noise of single-precision complex numbers.
NOISE = {"test_dft_inverse": 1e-6, "test_dft_inverse_opset19": 1e-6}


def passing() -> list[str]:
    """The names of the cases that must pass."""
    return PASSING.read_text(encoding="utf-8").split()


@cache
def cases(kind: str) -> dict[str, TestCase]:
    """The cases of one kind by name; those that ONNX has expanded from others are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_model_tests(kind=kind)
    return {case.name: case for case in found if not case.name.endswith("_expanded") and "_expanded_" not in case.name}


def case_named(name: str) -> TestCase:
    """A case of any kind."""
    return next(cases(kind)[name] for kind in KINDS if name in cases(kind))


def outcome(case: TestCase) -> str:
    """PASSED, REFUSED where a typed error says that it is not built, else what is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run_case(case)
    except (InternalError, ToolchainError) as error:
        return f"breaks: {error}"
    except EdgekitError:
        return REFUSED
    except AssertionError as error:
        return f"is wrong: {' '.join(str(error).split())[:300]}"
    except Exception as error:  # every other exception is what the test is there to find
        return f"raises {type(error).__name__}: {error}"
    return PASSED


def run_case(case: TestCase) -> None:
    """Prepare and run; raises AssertionError for results outside the case's tolerance."""
    model = case.model if case.model_dir is None else onnx.load(Path(case.model_dir) / "model.onnx")
    prepared = backend.prepare(model)
    for inputs, expected in data_sets(case):
        got = prepared.run(inputs)
        atol = NOISE.get(case.name, case.atol)
        Runner.assert_similar_outputs(expected, list(got), case.rtol, atol)


def data_sets(case: TestCase) -> Iterator[tuple[list[Any], list[Any]]]:
    for inputs, expected in case.data_sets or ():
        yield [_array(x) for x in inputs], [_array(y) for y in expected]
    if case.data_sets is None:
        for folder in sorted(Path(case.model_dir).glob("test_data_set*")):
            yield _read(folder, "input"), _read(folder, "output")


def _array(tensor: Any) -> Any:
    return numpy_helper.to_array(tensor) if isinstance(tensor, onnx.TensorProto) else tensor


def _read(folder: Path, kind: str) -> Sequence[np.ndarray]:
    count = len(list(folder.glob(f"{kind}_*.pb")))
    files = [folder / f"{kind}_{index}.pb" for index in range(count)]
    return [numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes())) for file in files]
