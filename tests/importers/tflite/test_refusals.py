"""What is not built ends in one typed error that names the layer and says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import BadModel, EdgekitError, UnsupportedModel
from edgekit.importers.tflite import import_tflite
from edgekit.importers.tflite.operators import CONSTANTS, TRANSLATORS
from edgekit.ops import OPS
from tests.importers.tflite.models import Op, T, build_model, const, finish, write_model


def refused(path: Path, inputs: list[T], outputs: list[T], ops: list[Op], match: str) -> None:
    write_model(path / "m.tflite", inputs, outputs, ops)
    with pytest.raises(UnsupportedModel, match=match):
        import_tflite(path / "m.tflite")


@pytest.mark.parametrize(("op", "rewrite"), [
    ("WHILE", "unroll loops"), ("IF", "one branch"), ("CALL_ONCE", "freeze variables"), ("VAR_HANDLE", "freeze"),
    ("DENSIFY", "dense"), ("NON_MAX_SUPPRESSION_V4", "in the application"), ("WHERE", "SELECT_V2"), ("RNN", "LSTM"),
    ("HASHTABLE", "edgekit ops"),
])  # fmt: skip
def test_operators_by_name(tmp_path: Path, op: str, rewrite: str) -> None:
    x, y = T((2, 3)), T((2, 3))
    refused(tmp_path, [x], [y], [Op(op, [x], [y])], f"layer 't1' \\({op}\\).*{rewrite}")


def test_every_refused_layer_is_named(tmp_path: Path) -> None:
    x, y, z, w = T((2, 3)), T((2, 3)), T((2, 3)), T((2, 3))
    ops = [Op("UNIQUE", [x], [y]), Op("RELU", [y], [z]), Op("RFFT2D", [x], [w])]
    write_model(tmp_path / "m.tflite", [x], [z, w], ops)
    with pytest.raises(UnsupportedModel) as error:
        import_tflite(tmp_path / "m.tflite")
    assert "UNIQUE" in str(error.value) and "RFFT2D" in str(error.value) and "RELU" not in str(error.value)


def _edited(path: Path, edit: Any) -> Path:
    x, y = T((2, 3)), T((2, 3))
    model = build_model([x], [y], [Op("RELU", [x], [y])])
    edit(model)
    return finish(path / "m.tflite", model)


def test_custom_operators(tmp_path: Path) -> None:
    def edit(model: Any) -> None:
        code = model.operatorCodes[0]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"TFLite_Detection_PostProcess"

    with pytest.raises(UnsupportedModel, match=r"layer 't1' \(CUSTOM:TFLite_Detection_PostProcess\).*custom operators"):
        import_tflite(_edited(tmp_path, edit))


def test_several_subgraphs_name_the_caller(tmp_path: Path) -> None:
    def edit(model: Any) -> None:
        model.subgraphs.append(build_model([T((1,))], [], []).subgraphs[0])
        model.operatorCodes[0].builtinCode = schema.BuiltinOperator.WHILE

    with pytest.raises(UnsupportedModel, match=r"2 subgraphs, called by layer 't1' \(WHILE\).*control flow"):
        import_tflite(_edited(tmp_path, edit))


@pytest.mark.parametrize(("kind", "match"), [
    (schema.TensorType.RESOURCE, "RELU has element type RESOURCE.*freeze variables"),
    (schema.TensorType.STRING, "element type STRING"), (schema.TensorType.FLOAT16, "computed in FLOAT16"),
])  # fmt: skip
def test_tensor_types(tmp_path: Path, kind: int, match: str) -> None:
    def edit(model: Any) -> None:
        model.subgraphs[0].tensors[1].type = kind

    with pytest.raises(UnsupportedModel, match=match):
        import_tflite(_edited(tmp_path, edit))


def test_dynamic_and_sparse_tensors(tmp_path: Path) -> None:
    def dynamic(model: Any) -> None:
        model.subgraphs[0].tensors[1].shapeSignature = [2, -1]

    def sparse(model: Any) -> None:
        model.subgraphs[0].tensors[0].sparsity = schema.SparsityParametersT()

    with pytest.raises(UnsupportedModel, match="of RELU has dynamic dimensions"):
        import_tflite(_edited(tmp_path, dynamic))
    with pytest.raises(UnsupportedModel, match="of RELU is sparse"):
        import_tflite(_edited(tmp_path, sparse))


def test_variables_outside_recurrent_layers(tmp_path: Path) -> None:
    x, state, y = T((2, 3)), T((2, 3), variable=True), T((2, 3))
    refused(tmp_path, [x], [y], [Op("ADD", [x, state], [y])], "variable tensor.*freeze variables")


def test_computed_shapes(tmp_path: Path) -> None:
    x, sizes, y = T((2, 3)), T((2,), "int32"), T((2, 3))
    refused(tmp_path, [x, sizes], [y], [Op("TILE", [x, sizes], [y])], "input 1 must be a constant")


def test_constant_outputs(tmp_path: Path) -> None:
    x, y, s = T((2, 3)), T((2, 3)), T((2,), "int32")
    refused(tmp_path, [x], [y, s], [Op("RELU", [x], [y]), Op("SHAPE", [x], [s])], "does not depend on the input")


def test_codes_without_a_definition(tmp_path: Path) -> None:
    x, y = T((2, 3), "int8", (0.1, 0)), T((2, 3), "int8", (0.1, 0))
    refused(tmp_path, [x], [y], [Op("SIN", [x], [y])], "float models only")
    x, y = T((2, 3), "uint8", (0.1, 100)), T((2, 3), "uint8", (0.1, 100))
    refused(tmp_path, [x], [y], [Op("ELU", [x], [y])], "uint8 codes; convert the model to int8")


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_wrong_number_of_outputs_is_malformed(tmp_path: Path, outputs: int) -> None:
    x, parts = T((4, 2)), [T((2, 2)) for _ in range(outputs)]
    write_model(tmp_path / "m.tflite", [x], parts, [Op("SPLIT", [const(0), x], parts, {"numSplits": 2})])
    with pytest.raises(BadModel, match="cannot split"):
        import_tflite(tmp_path / "m.tflite")


def test_int4_weights_are_read(tmp_path: Path) -> None:
    codes = np.array([[-8, 7, 3], [1, -1, 0], [5, -5, 2]], np.int8)
    x, y = T((2, 3)), T((2, 3))
    model = build_model([x], [y], [Op("FULLY_CONNECTED", [x, const(codes, "int8", ([0.5], [0], 0)), None], [y])])
    pairs = np.append(codes.reshape(-1), 0).astype(np.uint8) & 15
    tensor = model.subgraphs[0].tensors[1]
    tensor.type = schema.TensorType.INT4
    model.buffers[tensor.buffer].data = (pairs[0::2] | pairs[1::2] << 4).astype(np.uint8)
    graph = import_tflite(finish(tmp_path / "m.tflite", model))
    np.testing.assert_array_equal(graph.nodes[0].input(1).array, codes)


def test_every_translator_is_documented() -> None:
    documented = {name for spec in OPS for name in spec.tflite}
    assert set(TRANSLATORS) - set(CONSTANTS) <= documented <= set(TRANSLATORS)


@pytest.mark.parametrize("seed", range(4))
def test_bit_flips_in_many_operators(tmp_path: Path, seed: int) -> None:
    # Damaged indices, shapes and options of operators with many attributes; only typed errors may come out.
    x, parts = T((2, 6, 4)), [T((2, 2, 4)) for _ in range(3)]
    padded, sliced, resized = T((2, 6, 4)), T((1, 2, 2)), T((2, 8, 12, 1))
    pooled, image = T((2, 2, 2, 1)), T((2, 2, 4, 1))
    ops = [
        Op("SPLIT", [const(1), x], parts, {"numSplits": 3}),
        Op("CONCATENATION", parts, [padded], {"axis": 1}),
        Op("STRIDED_SLICE", [padded, const([1, 0, 0]), const([2, 4, 4]), const([1, 2, 2])], [sliced]),
        Op("RESHAPE", [parts[0], const([2, 2, 4, 1])], [image]),
        Op("RESIZE_BILINEAR", [image, const([8, 12])], [resized]),
        Op("AVERAGE_POOL_2D", [image], [pooled], {"filterHeight": 1, "filterWidth": 2, "strideH": 1, "strideW": 2}),
    ]
    path = write_model(tmp_path / "m.tflite", [x], [sliced, resized, pooled], ops)
    import_tflite(path)
    original, rng = path.read_bytes(), np.random.default_rng(seed)
    for _ in range(150):
        damaged = bytearray(original)
        for position in rng.integers(0, len(damaged), int(rng.integers(1, 4))):
            damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            import_tflite(path)
        except EdgekitError as error:
            assert "InternalError" not in type(error).__name__, error
