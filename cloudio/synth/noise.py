"""Random numbers and smooth noise with the same bits on every platform and numpy version.

Only generator words, rounding and + - * / are used, which are the same everywhere.
"""

import zlib

import numpy as np


class RandomSource:
    """Random numbers of one split, in independent streams.

    ``purpose`` and ``number`` name a stream; the number is that of a patch, a place or a scene.  So
    no array depends on which others are written.
    """

    def __init__(self, seed: int, split: str) -> None:
        self._key = seed, zlib.crc32(split.encode())

    def words(self, purpose: str, number: int, n: int) -> np.ndarray:
        """Return the first ``n`` words of 64 bits of a stream."""
        # Words, not numbers of a Generator: only words are promised never to change.
        entropy = np.random.SeedSequence([*self._key, number, zlib.crc32(purpose.encode())])
        words: np.ndarray = np.random.PCG64(entropy).random_raw(n)
        return words

    def numbers(self, purpose: str, number: int, n: int) -> list[float]:
        """Return ``n`` numbers from 0 up to 1."""
        return [(word >> 11) / 2**53 for word in self.words(purpose, number, n).tolist()]

    def bytes(self, purpose: str, number: int, n: int) -> np.ndarray:
        """Return ``n`` bytes."""
        return self.words(purpose, number, -(-n // 8)).astype("<u8").view(np.uint8)[:n]

    def smooth(self, purpose: str, number: int, cells: int) -> np.ndarray:
        """Return noise around 0.5 with detail of four sizes, at 8 * ``cells`` + 1 points a side."""
        sides = [(cells << octave) + 2 for octave in range(4)]
        drawn = self.bytes(purpose, number, sum(side * side for side in sides))
        n_points = 8 * cells + 1
        total = np.zeros((n_points, n_points), np.float32)
        for octave, side in enumerate(sides):
            corners, drawn = drawn[: side * side].reshape(side, side), drawn[side * side :]
            step = 8 >> octave
            detail = upsample(corners * np.float32(step / (15 * 255)), step)
            total += detail[:n_points, :n_points]
        return total


def upsample(points: np.ndarray, step: int) -> np.ndarray:
    """Return ``points`` and the pixels between them, ``step`` apart, interpolated linearly."""
    return _upsample_rows(_upsample_rows(points.T, step).T, step)


def _upsample_rows(points: np.ndarray, step: int) -> np.ndarray:
    points = np.ascontiguousarray(points)
    parts = np.arange(step, dtype=np.float32)[:, None] * np.float32(1 / step)
    between: np.ndarray = (points[1:] - points[:-1])[:, None] * parts
    between += points[:-1, None]
    return between.reshape(-1, points.shape[1])
