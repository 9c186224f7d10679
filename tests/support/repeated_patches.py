"""Patches that are repetitions or nearly so, and what numpy finds of them by trying every phase."""

import builders
import native
import numpy as np
from hypothesis import strategies as st

REPEATS = [(6, 6), (3, 3), (2, 2), (1, 2), (5, 1), (7, 4)]


def same_bits(one, other):
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def phase_by_trying(pixels, repeat):
    """The first phase by which a patch is a repetition: shown pixels repeated are the patch."""
    for py in range(repeat[0]):
        for px in range(repeat[1]):
            stored = native.shrink(pixels[None], repeat, (py, px))
            if same_bits(native.expand(stored, repeat, (py, px), pixels.shape)[0], pixels):
                return py, px
    return None


@st.composite
def patches(draw):
    """Patches that are repetitions of something, or nearly so; and constant in parts."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    if draw(st.booleans()):
        height += 96  # strips are looked at first
    repeat = draw(st.sampled_from([*REPEATS, (1, 1)]))
    dtype = draw(st.sampled_from(["uint8", "int16", "uint16", "float32"]))
    shape = native.stored_size((height, width), repeat)
    stored = builders.pixels("x", (1, *shape), dtype, draw(st.integers(0, 99)))
    if draw(st.booleans()):  # few numbers: neighbors are often equal
        rare = rng.random(stored.shape) < draw(st.sampled_from([0, 0.02, 0.1, 0.5]))
        stored = np.where(rare, stored, stored[:, :1, :1])
    phase = [int(rng.integers(r)) for r in repeat]
    pixels = native.expand(stored, repeat, tuple(phase), (height, width))[0]
    for _ in range(draw(st.integers(0, 1))):
        bits = pixels.view(f"u{pixels.itemsize}")
        bits[rng.integers(height), rng.integers(width)] ^= 1 << int(
            rng.integers(8 * pixels.itemsize)
        )
    return pixels
