"""How far apart colors are, in CIELAB, for people who see all of them and for color-blind people.

Distances are CIE 1976: about 2 is just seen side by side, about 10 is seen at a glance.
"""

import numpy as np

# Linear RGB (D65) to XYZ, over the white point.
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1], [1.08883]])
# Machado, Oliveira and Fernandes 2009, severity 1: what people see who lack a kind of cone.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def luminance(color):
    """The relative luminance of colors of 0..255, from 0 to 1, as WCAG has it."""
    return _linear(color) @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    """The contrast of two colors, from 1 to 21, as WCAG has it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _linear(color):
    x = np.asarray(color, float) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def lab(color, vision="normal"):
    """CIELAB of colors of 0..255, as people of that vision see them."""
    xyz = (_linear(color) @ VISIONS[vision].T).clip(0, 1) @ _XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1
    )


def distance(one, other, vision="normal"):
    return np.linalg.norm(lab(one, vision) - lab(other, vision), axis=-1)
