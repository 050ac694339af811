"""The numpy reference of imported models equals LiteRT's reference kernels, element for element."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.importers.tflite import import_tflite
from edgekit.ops.reference import run_reference
from edgekit.runtimes import compare_with_litert

INT8_MODELS = [
    "mlperf_tiny/ad/ad01_int8.tflite",
    "mlperf_tiny/ic/pretrainedResnet_quant.tflite",
    "mlperf_tiny/kws/kws_ref_model.tflite",
    "mlperf_tiny/vww/vww_96_int8.tflite",
    "mobilenet_uint8/mobilenet_v1_0.25_128_quant.tflite",
    "tflm/hello_world_int8.tflite",
    "tinymaix/mnist_dw_q.tflite",
    "tinymaix/mnist_valid_q.tflite",
    "tinymaix/vww96_q.tflite",
]
FLOAT_MODELS = ["mlperf_tiny/ic/pretrainedResnet.tflite", "tinymaix/mnist_valid_f.tflite"]


@pytest.mark.parametrize("name", INT8_MODELS)
def test_integer_models_are_bit_exact(data_dir: Path, name: str) -> None:
    path = data_dir / "models" / name
    graph = import_tflite(path)
    rng = np.random.default_rng(1)
    info = np.iinfo(graph.inputs[0].dtype.numpy)
    samples = [
        [rng.integers(info.min, info.max + 1, v.shape).astype(v.dtype.numpy) for v in graph.inputs] for _ in range(5)
    ]
    references = [[run_reference(graph, s)[v] for v in graph.outputs] for s in samples]
    assert compare_with_litert(path, graph, samples, references)["differing"] == 0


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_float_models_are_close(data_dir: Path, name: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = data_dir / "models" / name
    graph = import_tflite(path)
    x = np.random.default_rng(2).uniform(0, 1, graph.inputs[0].shape).astype(np.float32)
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    want = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(run_reference(graph, [x])[graph.outputs[0]], want, atol=1e-4)
