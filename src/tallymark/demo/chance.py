"""Seeded randomness, whole arrays at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Flags", "Floats", "Ints", "cells", "pick", "stream", "tokens"]

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

_URL_SAFE = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", dtype=np.uint8
)
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def stream(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each purpose: drawing more in one changes no other."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *name.encode()])))


def cells(chance: np.random.Generator, weights: Floats, count: int) -> tuple[Ints, Floats]:
    """``count`` draws from a density that is constant in each cell.

    Returns:
        The cell of each draw, and where in the cell it fell (0 to 1).
    """
    edges = np.cumsum(weights)
    drawn = chance.random(count) * edges[-1]
    cell = np.minimum(np.searchsorted(edges, drawn, side="right"), len(weights) - 1)
    below = edges[cell] - weights[cell]
    return cell.astype(np.int64), np.clip((drawn - below) / weights[cell], 0.0, 1.0)


def pick(chance: np.random.Generator, weights: Sequence[float], count: int) -> Ints:
    """``count`` indices, each with the probability its weight gives it."""
    return cells(chance, np.asarray(weights, dtype=np.float64), count)[0]


def tokens(
    chance: np.random.Generator, count: int, length: int, *, hexadecimal: bool = False
) -> list[str]:
    """``count`` random words of ``length`` url-safe (or hexadecimal) characters."""
    if not length:
        return [""] * count
    letters = _HEX if hexadecimal else _URL_SAFE
    drawn = chance.integers(0, len(letters), count * length, dtype=np.uint8)
    text = letters[drawn].tobytes().decode("ascii")
    return [text[at : at + length] for at in range(0, count * length, length)]
