"""The lecture's own problem, generated: needle images hidden in haystack images."""

from __future__ import annotations

import difflib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.datasets.dataset import Dataset

# Each kind of needle has its place and its direction, and keeps them in every picture. So one
# neuron can see it: its weights come to look like the needle.
# Centre (down, across) as fractions of the picture; angle from the horizontal, upwards.
_NEEDLES = {
    "upright": (0.45, 0.25, math.pi / 2),
    "flat": (0.80, 0.60, 0.0),
    "slanting": (0.35, 0.68, math.pi / 4),
}
_KINDS = ("one", "several", "one_of_three")
_BALE = 1000  # different straws that haystacks are made of


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
    """Pictures of haystacks, some with needles in them.

    A needle is a short bright line that keeps its place and direction; a haystack is many duller
    lines, everywhere and in all directions. There are three kinds of needle: upright, flat and
    slanting.

    Parameters
    ----------
    kind : {"one", "several", "one_of_three"}, default "one"
        "one": the upright needle is there or not, for one neuron (claim C2). "several": each of
        the three kinds is there or not, whatever the others do, for three detectors (claim C3).
        "one_of_three": exactly one of the three is there, for softmax (claim C4).
    examples, test_examples : int, default 5000 and 1000
        Pictures to train on and to test on.
    size : (height, width), default (16, 16)
        In pixels, each 8 or more.
    straws : int, default 16
        Straws in a haystack.
    noise : float, default 0.2
        Standard deviation of the noise on every pixel, as a fraction of full brightness.
    seed : int, default 0
        The same seed draws the same pictures.

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
    if kind not in _KINDS:
        near = difflib.get_close_matches(str(kind), _KINDS, 1)
        raise ValueError(
            f"kind must be one of {', '.join(_KINDS)}, got {kind!r}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    if len(size) != 2 or min(size) < 8:
        raise ValueError(f"size must be (height, width), each 8 pixels or more, got {size}")
    if examples < 1 or test_examples < 1:
        raise ValueError(f"examples and test_examples must be at least 1, got {examples} and {test_examples}")
    if straws < 0 or not 0 <= noise < math.inf:
        raise ValueError(f"straws and noise must not be negative, got {straws} and {noise}")

    def draw(count: int, stream: int) -> tuple[NDArray[Any], NDArray[Any]]:
        # A stream of its own for each set: asking for more training pictures changes no test.
        rng = np.random.default_rng([seed, stream])
        there, y = _hide(kind, count, rng)
        return _draw(there, size, straws, noise, rng), y

    names = ("haystack", "needle") if kind == "one" else tuple(_NEEDLES)
    return Dataset(*draw(examples, 0), *draw(test_examples, 1), "needles", tuple(size), names)


def needle_images(size: tuple[int, int] = (16, 16)) -> NDArray[np.float32]:
    """Draw the three needles alone: (3, height * width), brightness from 0 to 1."""
    down, across, angle = np.array(list(_NEEDLES.values())).T
    centres = np.floor(np.stack([down, across]) * np.reshape(size, (2, 1)))  # on a pixel: crisp
    return _lines(size, centres, angle, np.full(3, 0.4 * min(size)))


def _hide(kind: str, count: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Decide which needles (count, 3) are in which picture, and what is to be learnt from it."""
    if kind == "several":
        there = rng.random((count, 3)) < 0.5
        return there, there.astype(np.float32)
    y = rng.integers(3 if kind == "one_of_three" else 2, size=count)
    if kind == "one_of_three":
        return y[:, None] == np.arange(3), y
    return (y[:, None] == 1) & (np.arange(3) == 0), y


def _draw(
    there: NDArray[np.bool_],
    size: tuple[int, int],
    straws: int,
    noise: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    count = len(there)
    bale = _lines(
        size,
        rng.uniform(0, 1, (2, _BALE)) * np.reshape(size, (2, 1)) - 0.5,
        rng.uniform(0, math.pi, _BALE),
        rng.uniform(0.2, 0.6, _BALE) * min(size),
    )
    images = np.zeros((count, bale.shape[1]), np.float32)
    # Where lines cross, the brighter one is on top. One pass over all pictures per straw.
    for _ in range(straws):
        brightness = rng.uniform(0.2, 0.8, (count, 1)).astype(np.float32)
        np.maximum(images, bale[rng.integers(_BALE, size=count)] * brightness, out=images)
    for needle, in_picture in zip(needle_images(size), there.T, strict=True):
        brightness = rng.uniform(0.7, 1.0, (count, 1)).astype(np.float32)
        np.maximum(images, needle * brightness * in_picture[:, None], out=images)
    images += np.float32(noise) * rng.standard_normal(images.shape, dtype=np.float32)
    return np.clip(images, 0, 1, out=images)


def _lines(
    size: tuple[int, int],
    centres: NDArray[np.float64],
    angles: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Draw k lines, each on a picture of its own: (k, height * width).

    `centres` (2, k) and `lengths` (k,) are in pixels. A pixel is full within a quarter of a pixel
    of the line and fades out over one more.
    """
    y, x = np.indices(size).reshape(2, -1, 1) - centres[:, None, :]
    along = x * np.cos(angles) - y * np.sin(angles)
    aside = x * np.sin(angles) + y * np.cos(angles)
    beyond = np.maximum(np.abs(along) - lengths / 2, 0)
    lines: NDArray[np.float32] = np.clip(1.25 - np.hypot(beyond, aside), 0, 1).T.astype(np.float32)
    return lines
