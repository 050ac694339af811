"""A folder of images, one sub-folder per class, as an array in a model's layout."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from edgekit.errors import BadData

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".webp", ".tif", ".tiff")
MAX_PIXELS = 1 << 26


def load_image_folder(
    folder: Path, shape: tuple[int, ...], max_bytes: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """(uint8 images [n, *shape], labels [n]): pixels 0..255, resized to `shape`'s height and width.

    A sub-folder's label is its name where all are numbers, else its place in alphabetical order. `shape` is
    [1,H,W,C] or [1,C,H,W] with C of 1 (grey) or 3 (RGB).

    Raises BadData for a shape that is no image, no images, an unreadable file, or more than `max_bytes`.
    """
    height, width, channels, channels_first = _geometry(shape)
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [(f, label) for label, c in _labelled(classes) for f in sorted(c.iterdir()) if f.suffix.lower() in SUFFIXES]
    if not files:
        raise BadData(f"{folder} has no images: needs one sub-folder per class, with {', '.join(SUFFIXES[:4])} files")
    if len(files) * height * width * channels * 4 > max_bytes:
        raise BadData(f"{folder} has {len(files)} images: more than {max_bytes} bytes as float32")
    images = np.stack([_read(path, height, width, channels) for path, _ in files])
    if channels_first:
        images = images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images).reshape(len(files), *shape), np.array([i for _, i in files], np.int64)


def _geometry(shape: tuple[int, ...]) -> tuple[int, int, int, bool]:
    """(height, width, channels, channels first) of an input shape."""
    if len(shape) == 4 and shape[0] == 1:
        if shape[3] in (1, 3):
            return shape[1], shape[2], shape[3], False
        if shape[1] in (1, 3):
            return shape[2], shape[3], shape[1], True
    raise BadData(f"images need an input of shape [1,H,W,C] or [1,C,H,W] with 1 or 3 channels, not {list(shape)}")


def _read(path: Path, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """[H, W, C] pixels of one file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BadData(f"{path} has {image.width}x{image.height} pixels: more than {MAX_PIXELS}")
                pixels = image.convert("L" if channels == 1 else "RGB")
        if pixels.size != (width, height):
            pixels = pixels.resize((width, height), Image.Resampling.BILINEAR)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadData(f"{path} has too many pixels") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadData(f"cannot read the image {path}: {error}") from None
    return np.asarray(pixels, np.uint8).reshape(height, width, channels)


def _labelled(classes: list[Path]) -> list[tuple[int, Path]]:
    """Folders with their labels: their names where all are numbers, else their places in alphabetical order."""
    if all(c.name.isdecimal() and len(c.name) < 7 for c in classes):
        return sorted((int(c.name), c) for c in classes)
    return list(enumerate(classes))
