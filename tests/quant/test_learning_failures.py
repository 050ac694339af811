"""Learning that cannot go on says so: what is not finite, no samples, too many, files damaged or unwritable."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")

from edgekit.errors import BadData, BadUsage, UnsupportedModel  # noqa: E402
from edgekit.ir import Array, Graph  # noqa: E402
from edgekit.ops.conv2d import is_product  # noqa: E402
from edgekit.passes import optimise  # noqa: E402
from edgekit.progress import Progress  # noqa: E402
from edgekit.quant.calibrate import calibrate  # noqa: E402
from edgekit.quant.learning import learn as learn_module  # noqa: E402
from edgekit.quant.learning.learn import LearningProgress, LearningSettings, learned_weights  # noqa: E402
from edgekit.quant.learning.reconstruct import Reconstruction  # noqa: E402
from edgekit.quant.learning.store import BlockStore  # noqa: E402
from edgekit.quant.low_bits import LEARNED, WeightOptions, choose_weights  # noqa: E402
from edgekit.quant.power import CodedRows  # noqa: E402
from edgekit.quant.weight_quantizers import nearest  # noqa: E402
from tests.importers.onnx import helpers  # noqa: E402

SETTINGS = LearningSettings(iterations=3, final=3)
ROOT = [
    helpers.node("Gemm", "x w", "a"),
    helpers.node("Mul", "a a", "b"),
    helpers.node("Sqrt", "b", "c"),
    helpers.node("Gemm", "c w", "y"),
]
QUOTIENT = [helpers.node("Gemm", "x w", "a"), helpers.node("Abs", "a", "b"), helpers.node("Div", "a b", "y")]
PLAIN = [helpers.node("Gemm", "x w", "a"), helpers.node("Relu", "a", "b"), helpers.node("Gemm", "b w", "y")]


def _model(folder: Path, nodes: list[object] = PLAIN) -> tuple[Graph, list[list[Array]], dict[str, int]]:
    rng = np.random.default_rng(0)
    # A channel of zeros, whose codes are all 0.
    weights = rng.normal(size=(8, 8)).astype(np.float32) * (np.arange(8) != 3)
    graph = optimise(helpers.import_model(helpers.make_model(nodes, [1, 8], {"w": weights}), folder))
    samples = [[rng.normal(size=(1, 8)).astype(np.float32)] for _ in range(6)]
    return graph, samples, {node.name: 4 for node in graph.nodes if is_product(node)}


@pytest.mark.parametrize("nodes", [ROOT, QUOTIENT], ids=["root", "quotient"])
@pytest.mark.parametrize("method", LEARNED)
def test_what_is_not_finite_is_refused(method: str, nodes: list[object], tmp_path: Path) -> None:
    graph, samples, bits = _model(tmp_path, nodes)
    with pytest.raises(UnsupportedModel, match=r"layers up to '\w+' is not finite.* --quantizer powerquant"):
        learned_weights(graph, samples, {}, bits, method, SETTINGS)


def test_a_layer_without_a_form_is_told_before_anything_is_learned(tmp_path: Path) -> None:
    nodes = [helpers.node("Gemm", "x w", "a"), helpers.node("CumSum", "a axis", "b"), helpers.node("Gemm", "b w", "y")]
    constants = {"w": np.ones((8, 8), np.float32), "axis": np.array(1)}
    graph = optimise(helpers.import_model(helpers.make_model(nodes, [1, 8], constants), tmp_path))
    samples, told = [[np.ones((1, 8), np.float32)]], list[LearningProgress]()
    bits = {node.name: 4 for node in graph.nodes if is_product(node)}
    with pytest.raises(UnsupportedModel, match=r"\(cum_sum\): weights cannot be learned through it"):
        learned_weights(graph, samples, {}, bits, "nupes", SETTINGS, told.append)
    assert not told


def test_blocks_with_nothing_to_learn_tell_no_loss(tmp_path: Path) -> None:
    graph, samples, bits = _model(tmp_path)
    told: list[LearningProgress] = []
    last = list(bits)[-1]
    learned_weights(graph, samples, {}, {last: 4}, "adaround", SETTINGS, told.append)
    assert [state.loss is None for state in told] == [True, False]
    assert [state.samples for state in told] == [6, 6]


def test_learning_without_samples_is_refused(tmp_path: Path) -> None:
    graph, _, bits = _model(tmp_path)
    with pytest.raises(BadData, match="there are none"):
        learned_weights(graph, [], {}, bits)


def test_samples_that_take_too_much_memory_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, samples, bits = _model(tmp_path)
    options = WeightOptions("nupes", 3)

    def chosen(given: list[list[Array]]) -> tuple[int, dict[str, Array]]:
        found = choose_weights(graph, bits, options, calibrate(graph, samples), given, Progress())
        return found.record()["samples"], {name: rows.codes for name, rows in found.coded.items()}

    few = chosen(samples[:2])
    monkeypatch.setattr(learn_module, "_MOST_BYTES", 2 * 8 * 4 + 1)
    capsys.readouterr()
    bounded = chosen(samples)
    assert bounded[0] == few[0] == 2 and all((bounded[1][name] == few[1][name]).all() for name in bits)
    assert "learned from 2 of 6 samples" in capsys.readouterr().err
    # One sample is always learned from.
    monkeypatch.setattr(learn_module, "_MOST_BYTES", 1)
    assert chosen(samples)[0] == 1


def _started() -> dict[str, CodedRows]:
    return {"a": nearest(np.random.default_rng(1).normal(size=(4, 6)), 4, 0.6)}


def _damages() -> dict[str, Callable[[bytes], bytes]]:
    def changed(**arrays: Array | None) -> Callable[[bytes], bytes]:
        def change(data: bytes) -> bytes:
            made = io.BytesIO()
            kept = dict(np.load(io.BytesIO(data))) | arrays
            np.savez(made, **{name: array for name, array in kept.items() if array is not None})
            return made.getvalue()

        return change

    def plain(data: bytes) -> bytes:
        made = io.BytesIO()
        np.save(made, np.zeros(3))
        return made.getvalue()

    rows = _started()["a"]
    return {
        "empty": lambda data: b"",
        "short": lambda data: data[: len(data) // 2],
        "plain array": plain,
        "form of another shape": changed(form0=np.array(4.0)),
        "codes of another shape": changed(codes0=rows.codes[:, 1:]),
        "codes of another type": changed(codes0=rows.codes.astype(np.float64)),
        "codes too large": changed(codes0=rows.codes + 8),
        "peaks not finite": changed(peaks0=rows.peaks * np.nan),
        "peaks negative": changed(peaks0=-rows.peaks),
        "bias of another shape": changed(bias0=np.zeros(3)),
        "an exponent too large": changed(exponents0=np.array([2.0])),
        "an exponent of another shape": changed(exponents0=np.array([[0.6]])),
        "exponents that are no numbers": changed(exponents0=np.array(["0.6"])),
        "another width": changed(form0=np.array([3, 0, 0])),
        "groups": changed(form0=np.array([4, 4, 0])),
        "codes in halves": changed(form0=np.array([4, 0, 1])),
        "a width between two": changed(form0=np.array([4.9, 0, 0])),
        "another name": changed(names=np.array(["b"])),
        "a loss that is not finite": changed(loss=np.array(np.nan)),
        "no codes": changed(codes0=None),
    }


@pytest.mark.parametrize("damage", list(_damages()))
def test_a_damaged_file_is_as_if_it_were_not_there(damage: str, tmp_path: Path) -> None:
    store, started = BlockStore(tmp_path, [b"part"]), _started()
    store.save("0", started, 0.5)
    kept = store.load("0", started)
    assert kept is not None and kept[1] == 0.5 and (kept[0]["a"].codes == started["a"].codes).all()
    (path,) = tmp_path.iterdir()
    path.write_bytes(_damages()[damage](path.read_bytes()))
    assert store.load("0", started) is None


def test_flipped_bytes_never_stop_the_loading(tmp_path: Path) -> None:
    store, started = BlockStore(tmp_path, [b"part"]), _started()
    store.save("0", started, None)
    (path,) = tmp_path.iterdir()
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(400):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 3):
            data[place] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        kept = store.load("0", started)
        assert kept is None or kept[0]["a"].codes.shape == started["a"].codes.shape


def test_a_channel_of_zeros_is_taken_from_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, samples, bits = _model(tmp_path)
    for method in LEARNED:
        learned_weights(graph, samples, {}, bits, method, SETTINGS, None, tmp_path / "kept")

    def learned_anew(*given: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Reconstruction, "learn", learned_anew)
    for method in LEARNED:
        learned_weights(graph, samples, {}, bits, method, SETTINGS, None, tmp_path / "kept")


def test_what_changes_the_result_is_another_learning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, samples, bits = _model(tmp_path)

    def files() -> set[str]:
        learned_weights(graph, samples, {}, bits, "adaround", SETTINGS, None, tmp_path / "kept")
        return {path.name for path in (tmp_path / "kept").iterdir()}

    first = files()
    assert files() == first
    monkeypatch.setattr(learn_module, "version", lambda package: "another")
    assert len(files()) == 2 * len(first)
    graph.nodes[-1].output.shape = (8,)
    assert len(files()) == 3 * len(first)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadUsage, match=r"cannot be kept in .*file.* --resume"):
            BlockStore(folder, [])
    store = BlockStore(tmp_path / "gone", [])
    (tmp_path / "gone").rmdir()
    with pytest.raises(BadUsage, match=r"cannot be kept in .*gone \(No such file.* --resume"):
        store.save("0", _started(), 0.5)
