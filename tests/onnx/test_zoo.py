"""The onnx package's image classifiers on this computer, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import edgekit.onnx_backend as backend

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SMALL = ("squeezenet", "shufflenet", "resnet50", "densenet121", "inception_v1", "inception_v2")
LARGE = ("bvlc_alexnet", "zfnet512", "vgg19")
Arrays = dict[str, npt.NDArray[np.float32]]


def light_model(name: str) -> onnx.ModelProto:
    path = FOLDER / f"light_{name}.onnx"
    if not path.exists():
        pytest.skip(f"this onnx package has no {path.name}")
    return onnx.load(path)


def with_random_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with numbers of a trained model's size in place of one constant per weight, so that results differ."""
    rng = np.random.default_rng(7)
    shapes = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    fills = [n for n in model.graph.node if n.op_type == "ConstantOfShape"]
    for node in fills:
        shape = tuple(int(d) for d in shapes[node.input[0]])
        if len(shape) > 1:
            array = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        else:
            array = rng.uniform(0.5, 1.5, shape)
        model.graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), node.output[0]))
        model.graph.node.remove(node)
    return model


def check(model: onnx.ModelProto, least_spread: float) -> None:
    prepared = backend.prepare(model)
    rng = np.random.default_rng(3)
    inputs: Arrays = {
        i.name: rng.normal(0, 1, i.shape).astype(np.float32) for i in prepared.record.inputs if i.shape is not None
    }
    got = prepared.run(inputs)
    del prepared
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for own, want in zip(got, session.run(None, inputs), strict=True):
        np.testing.assert_allclose(own, want, rtol=2e-3, atol=1e-6)
        assert np.ptp(want) >= least_spread


@pytest.mark.parametrize("name", SMALL)
def test_small_models(name: str) -> None:
    check(light_model(name), 0.0)


@pytest.mark.parametrize("name", SMALL)
def test_small_models_with_random_weights(name: str) -> None:
    check(with_random_weights(light_model(name)), 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_models(name: str) -> None:
    check(light_model(name), 0.0)
