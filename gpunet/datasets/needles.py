"""The lecture's example, generated: images of a haystack, with and without needles (C1)."""

from __future__ import annotations

import difflib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.core.checks import finite_number, not_negative_int, positive_int
from gpunet.datasets.dataset import Dataset

# A kind of needle has the same position and direction in every image, so a single neuron can detect it:
# its weights become an image of the needle.
# Centre (down, across) as fractions of the image; angle from the horizontal, upwards.
_NEEDLES = {
    "upright": (0.45, 0.25, math.pi / 2),
    "flat": (0.80, 0.60, 0.0),
    "slanting": (0.35, 0.68, math.pi / 4),
}
_KINDS = ("one", "several", "one_of_three")
_STRAWS = 1000  # distinct straws that the haystacks are drawn from


def needles(
    kind: str = "one",
    *,
    examples: int = 5000,
    test_examples: int = 1000,
    size: tuple[int, int] = (16, 16),
    straws: int = 16,
    noise: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Generated images of haystacks, some with needles in them.

    A needle is a short bright line with a fixed position and direction; a haystack is many darker lines
    at random positions and in random directions. There are three kinds of needle: upright, flat and
    slanting.

    Parameters
    ----------
    kind : {"one", "several", "one_of_three"}, default "one"
        "one": the upright needle is present or absent, for one neuron (C2). "several": each of the
        three kinds is present or absent, independently, for three detectors (C3). "one_of_three":
        exactly one of the three is present, for softmax (C4).
    examples, test_examples : int, default 5000 and 1000
        Numbers of training and test images.
    size : (height, width), default (16, 16)
        In pixels, each 8 or more.
    straws : int, default 16
        Straws per haystack.
    noise : float, default 0.2
        Standard deviation of the noise on every pixel, as a fraction of full brightness.
    seed : int, default 0
        The same seed draws the same images.

    Returns
    -------
    Dataset
        X (m, height * width) float32, brightness from 0 to 1. y (m,) int64 with 1 for a needle
        ("one"), (m, 3) float32 of zeros and ones ("several") or (m,) int64 from 0 to 2
        ("one_of_three").

    Raises
    ------
    ValueError
        If the kind is unknown, or a number is out of range.
    """
    if not isinstance(kind, str) or kind not in _KINDS:
        near = difflib.get_close_matches(str(kind), _KINDS, 1)
        raise ValueError(
            f"kind must be one of {', '.join(_KINDS)}, got {kind!r}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    if not isinstance(size, tuple | list) or len(size) != 2 or min(positive_int("size", n) for n in size) < 8:
        raise ValueError(f"size must be (height, width), each 8 pixels or more, got {size}")
    positive_int("examples", examples)
    positive_int("test_examples", test_examples)
    not_negative_int("straws", straws)
    not_negative_int("seed", seed)
    finite_number("noise", noise, 0.0)

    def draw(count: int, stream: int) -> tuple[NDArray[Any], NDArray[Any]]:
        # Separate random streams: the number of training images does not change the test set.
        rng = np.random.default_rng([seed, stream])
        present, y = _place(kind, count, rng)
        images = _haystacks(count, size, straws, rng)
        _add_needles(images, present, size, rng)
        images += np.float32(noise) * rng.standard_normal(images.shape, dtype=np.float32)
        return np.clip(images, 0, 1, out=images), y

    names = ("haystack", "needle") if kind == "one" else tuple(_NEEDLES)
    return Dataset(*draw(examples, 0), *draw(test_examples, 1), "needles", tuple(size), names)


def needle_images(size: tuple[int, int] = (16, 16)) -> NDArray[np.float32]:
    """The three needles without a haystack: (3, height * width), brightness from 0 to 1."""
    down, across, angle = np.array(list(_NEEDLES.values())).T
    centres = np.floor(
        np.stack([down, across]) * np.reshape(size, (2, 1))
    )  # on a pixel, so that the line is sharp
    return _lines(size, centres, angle, np.full(3, 0.4 * min(size)))


def _place(kind: str, count: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Which needles are in which image, (count, 3), and the targets."""
    if kind == "several":
        present = rng.random((count, 3)) < 0.5
        return present, present.astype(np.float32)
    y = rng.integers(3 if kind == "one_of_three" else 2, size=count)
    if kind == "one_of_three":
        return y[:, None] == np.arange(3), y
    return (y[:, None] == 1) & (np.arange(3) == 0), y


def _haystacks(
    count: int, size: tuple[int, int], straws: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw `count` haystacks; where straws cross, the brighter one is on top."""
    lines = _lines(
        size,
        rng.uniform(0, 1, (2, _STRAWS)) * np.reshape(size, (2, 1)) - 0.5,
        rng.uniform(0, math.pi, _STRAWS),
        rng.uniform(0.2, 0.6, _STRAWS) * min(size),
    )
    images = np.zeros((count, lines.shape[1]), np.float32)
    for _ in range(straws):  # one more straw in every image
        brightness = rng.uniform(0.2, 0.8, (count, 1)).astype(np.float32)
        np.maximum(images, lines[rng.integers(_STRAWS, size=count)] * brightness, out=images)
    return images


def _add_needles(
    images: NDArray[np.float32], present: NDArray[np.bool_], size: tuple[int, int], rng: np.random.Generator
) -> None:
    """Draw the needles that are present over the haystacks, in place."""
    for needle, in_image in zip(needle_images(size), present.T, strict=True):
        brightness = rng.uniform(0.7, 1.0, (len(images), 1)).astype(np.float32)
        np.maximum(images, needle * brightness * in_image[:, None], out=images)


def _lines(
    size: tuple[int, int],
    centres: NDArray[np.float64],
    angles: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Draw k lines, each in an image of its own: (k, height * width).

    `centres` (2, k) and `lengths` (k,) are in pixels. Pixels within a quarter of a pixel of the line
    have brightness 1; over one more pixel it falls to 0.
    """
    y, x = np.indices(size).reshape(2, -1, 1) - centres[:, None, :]
    along = x * np.cos(angles) - y * np.sin(angles)
    aside = x * np.sin(angles) + y * np.cos(angles)
    beyond = np.maximum(np.abs(along) - lengths / 2, 0)
    lines: NDArray[np.float32] = np.clip(1.25 - np.hypot(beyond, aside), 0, 1).T.astype(np.float32)
    return lines
