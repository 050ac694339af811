"""Data files: meanings of types, shapes that fit, hostile files."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edgekit.data import codes_of, load_data
from edgekit.errors import BadData
from edgekit.images import load_image_folder
from edgekit.ir import DType, QuantType, Value
from edgekit.models import packaged_model

QUANT = QuantType.per_tensor(0.5, 10)


def real(*shape: int) -> Value:
    return Value("image", shape, DType.FLOAT32)


def coded(*shape: int, dtype: DType = DType.INT8) -> Value:
    return Value("image", shape, dtype, QUANT)


def npz(folder: Path, **arrays: npt.NDArray[Any]) -> Path:
    np.savez(folder / "d.npz", **arrays)  # type: ignore[arg-type]
    return folder / "d.npz"


def first(path: Path, value: Value) -> npt.NDArray[Any]:
    sample = load_data(path, [value]).samples[0][0]
    assert sample.shape == value.shape and sample.dtype == value.dtype.numpy
    return sample


def test_types(tmp_path: Path) -> None:
    u8 = npz(tmp_path, x=np.array([[0, 4, 200]], np.uint8))
    assert first(u8, real(1, 3)).tolist() == [[0.0, 4.0, 200.0]]
    assert first(u8, coded(1, 3)).tolist() == [[10, 18, 127]]
    assert first(u8, coded(1, 3, dtype=DType.UINT8)).tolist() == [[0, 4, 200]]
    i8 = npz(tmp_path, x=np.array([[0, 4, -7]], np.int8))
    assert first(i8, coded(1, 3)).tolist() == [[0, 4, -7]]
    assert first(i8, real(1, 3)).tolist() == [[0.0, 4.0, -7.0]]
    f64 = npz(tmp_path, x=np.array([[0.0, 1.0, -1e9]]))
    assert first(f64, coded(1, 3)).tolist() == [[10, 12, -128]]


def test_labels_and_several_inputs(tmp_path: Path) -> None:
    path = npz(tmp_path, x0=np.zeros((4, 3)), x1=np.ones((4, 2, 2)), y=np.array([[1], [2], [3], [4]], np.uint8))
    data = load_data(path, [real(1, 3), real(1, 2, 2)])
    assert len(data.samples) == 4 and [a.shape for a in data.samples[2]] == [(1, 3), (1, 2, 2)]
    assert data.labels is not None and data.labels.tolist() == [1, 2, 3, 4] and data.labels.dtype == np.int64


def test_one_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)))
    data = load_data(tmp_path / "d.npy", [real(1, 3, 4)])
    assert data.labels is None and data.samples[1][0].reshape(-1).tolist() == list(range(12, 24))


@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 1, 28, 28), (5, 28, 28, 1), (5, 784), (5, 1, 28, 28, 1)])
@pytest.mark.parametrize("wanted", [(1, 28, 28, 1), (1, 1, 28, 28), (1, 784), (784,), (1, 28, 28)])
def test_shapes_that_fit(shape: tuple[int, ...], wanted: tuple[int, ...], tmp_path: Path) -> None:
    path = npz(tmp_path, x=np.arange(5 * 784.0).reshape(shape))
    data = load_data(path, [real(*wanted)])
    assert len(data.samples) == 5 and data.samples[1][0].reshape(-1)[0] == 784.0


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 32, 32, 3), "transpose the data"),
        ((5, 3, 32, 31), r"\[3, 32, 31\].*'image' is \[3, 32, 32\]"),
        ((5, 3, 16, 64), "samples of shape"),
        ((), "single number"),
        ((0, 3, 32, 32), "0 samples"),
    ],
)
def test_shapes_that_do_not_fit(shape: tuple[int, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=message):
        load_data(npz(tmp_path, x=np.zeros(shape)), [real(1, 3, 32, 32)])


def test_arrays_may_have_the_names_of_inputs(tmp_path: Path) -> None:
    values = [Value(name, (1, 3), DType.FLOAT32) for name in ("left/eye:0", "right")]
    arrays = {"right": np.ones((2, 3)), "left/eye:0": np.zeros((2, 3)), "y": np.array([3, 4])}
    data = load_data(npz(tmp_path, **arrays), values)
    assert [a.max() for a in data.samples[1]] == [0, 1] and data.labels is not None
    # Both ways: the order of the inputs counts.
    data = load_data(npz(tmp_path, **arrays, x0=np.ones((2, 3)), x1=np.zeros((2, 3))), values)
    assert [a.max() for a in data.samples[1]] == [1, 0]
    with pytest.raises(BadData, match=r"name the arrays x0, x1, or 'left/eye:0', 'right'"):
        load_data(npz(tmp_path, right=np.ones((2, 3))), values)


def test_missing_arrays(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no array 'x' \(found: images\)"):
        load_data(npz(tmp_path, images=np.zeros((2, 3))), [real(1, 3)])
    with pytest.raises(BadData, match="'x1'"):
        load_data(npz(tmp_path, x0=np.zeros((2, 3))), [real(1, 3), real(1, 3)])
    with pytest.raises(BadData, match="2, 3 samples"):
        load_data(npz(tmp_path, x0=np.zeros((2, 3)), x1=np.zeros((3, 3))), [real(1, 3), real(1, 3)])


@pytest.mark.parametrize("labels", [np.zeros(3, np.int64), np.zeros(2), np.zeros((2, 2), np.int64)])
def test_bad_labels(labels: npt.NDArray[Any], tmp_path: Path) -> None:
    with pytest.raises(BadData, match="y has shape"):
        load_data(npz(tmp_path, x=np.zeros((2, 3)), y=labels), [real(1, 3)])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("value", [
    real(1, 2), coded(1, 2), Value("whole", (1, 2), DType.INT32), coded(1, 2, dtype=DType.UINT8),
])  # fmt: skip
def test_samples_that_are_not_finite_are_named(bad: float, value: Value, tmp_path: Path) -> None:
    x = np.zeros((5, 2))
    x[3, 1] = x[4, 0] = bad
    with pytest.raises(
        BadData, match=r"d\.npz: x: sample 3 has NaN" if value.name != "whole" or bad != 1e39 else "whole"
    ):
        load_data(npz(tmp_path, x=x), [value])


def test_double_inputs_are_finite_too(tmp_path: Path) -> None:
    value = Value("wide", (1, 1), DType.FLOAT64)
    assert first(npz(tmp_path, x=np.array([[1e39]])), value) == 1e39
    with pytest.raises(BadData, match="sample 1 has NaN"):
        load_data(npz(tmp_path, x=np.array([[0.0], [np.nan]])), [value])


def test_pickles_and_text_are_refused(tmp_path: Path) -> None:
    for array in (np.array([[{}]], object), np.array([["a"]])):
        with pytest.raises(BadData, match="plain numbers"):
            load_data(npz(tmp_path, x=array), [real(1, 1)])


@pytest.mark.parametrize("data", [b"", b"PK\3\4 not really", b"\x93NUMPY\x01\x00", b"hello"])
@pytest.mark.parametrize("name", ["d.npz", "d.npy"])
def test_no_array_file(data: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadData, match=name):
        load_data(tmp_path / name, [real(1, 3)])


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no such file"):
        load_data(tmp_path / "absent.npz", [real(1, 3)])


def header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_sizes_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    tracemalloc.start()
    (tmp_path / "d.npy").write_bytes(header((1 << 20, 1 << 20)) + bytes(64))
    with pytest.raises(BadData, match="claims the shape"):
        load_data(tmp_path / "d.npy", [real(1, 1 << 20)])
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((1 << 40,)) + bytes(1 << 20))
    with pytest.raises(BadData, match="claims the shape"):
        load_data(tmp_path / "d.npz", [real(1, 1)])
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((4, 100)) + bytes(8))
    with pytest.raises(BadData, match="truncated"):
        load_data(tmp_path / "d.npz", [real(1, 100)])
    assert tracemalloc.get_traced_memory()[1] < 1 << 25
    tracemalloc.stop()


def images(folder: Path) -> Path:
    for index, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.full((10, 12, 3), (index * 100, number * 50, 7), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    (folder / "cat" / "notes.txt").write_text("no image")
    return folder


def test_images(tmp_path: Path) -> None:
    folder = images(tmp_path / "set")
    data = load_data(folder, [real(1, 5, 6, 3)])
    assert data.labels is not None and data.labels.tolist() == [0, 0, 1, 1]
    assert data.samples[3][0].shape == (1, 5, 6, 3) and data.samples[3][0][0, 2, 2].tolist() == [100.0, 50.0, 7.0]
    chw = load_data(folder, [real(1, 3, 5, 6)], image_scale=0.5).samples[3][0]
    assert chw[0, :, 0, 0].tolist() == [50.0, 25.0, 3.5]
    assert load_data(folder, [real(1, 1, 5, 6)]).samples[0][0].shape == (1, 1, 5, 6)
    assert load_data(folder, [coded(1, 5, 6, 3)]).samples[3][0][0, 0, 0].tolist() == [127, 110, 24]


def test_bad_images(tmp_path: Path) -> None:
    folder = images(tmp_path / "set")
    with pytest.raises(BadData, match="images need an input"):
        load_data(folder, [real(1, 10)])
    (folder / "dog" / "1.png").write_bytes(b"not a png")
    with pytest.raises(BadData, match=r"1\.png"):
        load_data(folder, [real(1, 5, 6, 3)])
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="no images"):
        load_data(tmp_path / "empty", [real(1, 5, 6, 3)])


def test_codes_of() -> None:
    sample: list[npt.NDArray[Any]] = [np.array([[1.0]], np.float32), np.array([[3]], np.int8)]
    inputs = [coded(1, 1), coded(1, 1)]
    assert [[a.tolist() for a in codes] for codes in codes_of([sample, sample], inputs)] == 2 * [[[[12]], [[3]]]]
    with pytest.raises(BadData, match="image: sample 1 has NaN"):
        codes_of([sample, [np.array([[np.nan]], np.float32), sample[1]]], inputs)


def test_packaged_model() -> None:
    model = packaged_model()
    assert model.model_path.is_file() and len(model.calibration.samples) == 256
    assert model.test.labels is not None and len(model.test.samples) == len(model.test.labels) == 100
    for sample in (*model.calibration.samples, *model.test.samples):
        assert sample[0].shape == (1, 1, 28, 28) and sample[0].dtype == np.float32
    assert max(float(s[0].max()) for s in model.test.samples) == 255.0


def test_numbered_folders_are_their_own_labels(tmp_path: Path) -> None:
    for name in ("10", "2", "7"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name / "a.png")
    _, labels = load_image_folder(tmp_path, (1, 4, 4, 1), 1 << 20)
    assert labels.tolist() == [2, 7, 10]
