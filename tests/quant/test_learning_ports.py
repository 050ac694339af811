"""Networks with several inputs and outputs: learning through them, and which of their layers keep 8 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

torch = pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")

from edgekit.ir import Array, Graph  # noqa: E402
from edgekit.ops.conv2d import is_product  # noqa: E402
from edgekit.ops.reference import run_reference  # noqa: E402
from edgekit.passes import optimise  # noqa: E402
from edgekit.quant.activations import activation_quants  # noqa: E402
from edgekit.quant.affine import quantize_graph  # noqa: E402
from edgekit.quant.bits import uniform_bits  # noqa: E402
from edgekit.quant.calibrate import calibrate  # noqa: E402
from edgekit.quant.learning import distil  # noqa: E402
from edgekit.quant.learning.blocks import blocks_of  # noqa: E402
from edgekit.quant.learning.distil import Distillation  # noqa: E402
from edgekit.quant.learning.learn import LearningSettings, learned_weights  # noqa: E402
from edgekit.quant.learning.power_weights import WholeRows  # noqa: E402
from edgekit.quant.learning.variation import varied  # noqa: E402
from edgekit.quant.low_bits import LEARNED  # noqa: E402
from edgekit.quant.power import CodedRows  # noqa: E402
from edgekit.quant.weight_quantizers import coded_weights  # noqa: E402
from tests.importers.onnx import helpers  # noqa: E402

CPU = torch.device("cpu")
SIZES = {"m": (3, 16), "n": (16, 16), "k": (10, 16), "p": (32, 4), "q": (32, 6), "r": (6, 3)}


def _network(folder: Path) -> tuple[Graph, list[list[Array]]]:
    """Inputs x and z meet; a sum that is also read on is the first output, then one with a softmax and one without."""
    nodes = [
        helpers.node("Gemm", "x m", "a"), helpers.node("Relu", "a", "b"), helpers.node("Gemm", "b n", "c"),
        helpers.node("Gemm", "z k", "d"), helpers.node("Tanh", "d", "e"), helpers.node("Concat", "c e", "both", axis=1),
        helpers.node("Gemm", "both p", "logits"), helpers.node("Softmax", "logits", "classes"),
        helpers.node("Gemm", "both q", "middle"), helpers.node("Relu", "middle", "f"),
        helpers.node("Gemm", "f r", "box"),
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    weights = {name: (rng.normal(size=shape) / shape[0] ** 0.5).astype(np.float32) for name, shape in SIZES.items()}
    model = helpers.make_model(nodes, [1, 3], weights, outputs=("middle", "classes", "box"))
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 10]))
    samples = [[rng.normal(size=(1, n)).astype(np.float32) for n in (3, 10)] for _ in range(64)]
    return optimise(helpers.import_model(model, folder)), samples


@pytest.mark.parametrize(("method", "steps"), [("nupes", 200), ("adaround", 600)])
def test_outputs_come_nearer_to_float(method: str, steps: int, tmp_path: Path) -> None:
    graph, samples = _network(tmp_path)
    bits = {node.name: 3 for node in graph.nodes if is_product(node)}
    quants = activation_quants(graph, calibrate(graph, samples))

    def errors(coded: dict[str, CodedRows]) -> list[float]:
        """Of each output, over its mean square, of the integer graph."""
        integers = quantize_graph(graph, samples, coded=coded)
        found = []
        for value, exact in zip(integers.outputs, graph.outputs, strict=True):
            pairs = []
            for sample in samples[:24]:
                codes = [v.quant.quantize(x, v.dtype) for v, x in zip(integers.inputs, sample, strict=True) if v.quant]
                assert value.quant is not None
                made = value.quant.dequantize(run_reference(integers, codes)[value])
                pairs.append((made, run_reference(graph, sample)[exact]))
            made, wanted = (np.stack(side) for side in zip(*pairs, strict=True))
            found.append(float(((made - wanted) ** 2).mean() / (wanted**2).mean()))
        return found

    learned = learned_weights(graph, samples, quants, bits, method, LearningSettings(steps, 300))
    assert set(learned) == set(bits)
    after, before = errors(learned), errors(coded_weights(graph, bits, LEARNED[method]))
    assert sum(after) < 0.85 * sum(before)
    # AdaRound may give up a little of one output for another.
    assert method == "adaround" or all(a < 0.8 * b for a, b in zip(after, before, strict=True))


def test_blocks_take_all_inputs_and_give_all_outputs(tmp_path: Path) -> None:
    graph, _ = _network(tmp_path)
    blocks = blocks_of(graph)
    assert [node for block in blocks for node in block.nodes] == graph.nodes
    first, heads, last = blocks
    assert first.sources == tuple(graph.inputs) and heads.sources == (first.output,) == first.outputs
    middle, classes, box = graph.outputs
    assert heads.outputs[:-1] == (classes, middle) and last.sources == (heads.output,) and last.outputs == (box,)


def test_a_softmax_at_an_end_is_part_of_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, samples = _network(tmp_path)
    whole = Distillation(graph, blocks_of(graph), {}, CPU)
    softmax = next(node for node in graph.nodes if node.op == "softmax")
    assert softmax not in whole.nodes
    first, heads, _ = blocks_of(graph)
    middle, _, box = graph.outputs
    assert whole.wanted == [first.output, heads.output, softmax.input(0), middle, box]
    seen: list[str | None] = []
    real = distil._output_loss
    monkeypatch.setattr(distil, "_output_loss", lambda *given: (seen.append(given[2] and given[2].op), real(*given))[1])
    stacked = [torch.from_numpy(np.stack(arrays)) for arrays in zip(*samples, strict=True)]
    bits = {node.name: 3 for node in graph.nodes if is_product(node)}
    start = coded_weights(graph, bits, "power-clip")
    rows = {
        n.name: WholeRows(start[n.name], start[n.name].codes.astype(float), None, 1.0, 1e-3)
        for n in graph.nodes
        if n.name in bits
    }
    loss = whole.learn(stacked, 1, lambda tenths, loss: None, rows, torch.Generator().manual_seed(0))
    assert loss is not None and loss > 0 and seen == ["softmax", None, None]


def test_what_is_done_to_one_input_is_done_to_all() -> None:
    """The second input is twice the first one, before and after."""
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32))
    made, twice = varied([x, 2 * x], (), 64, torch.Generator().manual_seed(0))
    assert made.shape == (64, 5) and torch.allclose(2 * made, twice)
    assert not all(any(torch.equal(sample, one) for sample in x) for one in made)


def test_outer_products_of_every_input_and_output_keep_8_bits(tmp_path: Path) -> None:
    graph, _ = _network(tmp_path)
    bits = uniform_bits(graph, 4)
    assert {name.split("_")[1]: width for name, width in bits.items()} == {
        "a": 8, "c": 4, "d": 8, "logits": 8, "middle": 8, "box": 8
    }  # fmt: skip
    # Not an output any more, it is in the middle.
    only = Graph(graph.name, graph.inputs, [graph.outputs[2]], graph.nodes)
    assert uniform_bits(only, 4)[next(name for name in bits if name.endswith("middle"))] == 4
