"""A data set to count, and numpy's answers about it."""

from fractions import Fraction

import builders
import numpy as np

from cloudio import Band, LabelMap, Layout, Window, stats

PERCENTS = (0, 1, 2.5, 25, 50, 75, 99.9, 100)

LAYOUT = Layout(
    "Counted",
    (20, 18),
    Window(1, 2, 17, 15),
    (
        Band("i16", scale=1e-4),
        Band("falling", scale=-0.37, offset=5.0),
        Band("offset", scale=1e-4, offset=-1000.0),
        Band("none", nodata=-99.0, scale=1e-2),
        Band("u16", dtype="uint16", nodata=0.0),
        Band("u8", dtype="uint8", nodata=255.0, scale=1 / 3),
        Band("i8", dtype="int8", nodata=-1.0),
        Band("f32", dtype="float32", nodata=-99.0, scale=0.1),
        Band("sinking", dtype="float32", scale=-7.0, offset=0.3),
        Band("hq", kind="label", dtype="uint8"),
        Band("found", kind="label", dtype="uint8"),
        Band("half", kind="label", dtype="uint8"),
        Band("wide", kind="label", dtype="int16"),
    ),
    presets={"some": (("i16", "u16"),), "floats": (("f32", "sinking"),)},
    label_maps={
        "hq": {"card": LabelMap({0: 0, 1: 1, 2: 2, 3: 3})},
        "found": {"card": LabelMap({4: 0, 5: 0, 8: 1, 9: 1, 10: 2, 3: 3})},
        "half": {"card": LabelMap.threshold(50)},
    },
)

INTS = ("i16", "falling", "offset", "none", "u16", "u8", "i8")

FLOATS = ("f32", "sinking")


def write_split(folder, n, seed=0):
    """A split whose pixels have ties, no data, and labels of the codes that occur."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    shape = (n, *LAYOUT.patch)
    stored = {}
    for band in LAYOUT.bands:
        if band.name == "hq":
            array = rng.choice(np.array([0, 0, 1, 2, 3, 7], "u1"), shape)
        elif band.name == "found":
            array = rng.choice(np.array([0, 3, 4, 5, 8, 9, 10], "u1"), shape)
        elif band.name == "half":
            array = rng.integers(0, 103, shape).astype("u1")
        elif band.name == "wide":
            array = rng.choice(np.array([-1, 5, 1024, 2048], "i2"), shape)
        elif band.dtype == "float32":
            array = rng.normal(-12, 6, shape).astype("f4")
            array[rng.random(shape) < 0.1] = -99
            rare = rng.choice(np.array([np.nan, -0.0, 0.0, 1e-42, 3e30], "f4"), shape)
            array = np.where(rng.random(shape) < 0.1, rare, array)
        else:
            array = builders.pixels(band.name, shape, band.dtype, seed)
            few = rng.integers(0, 9, shape).astype(band.dtype)
            array = np.where(rng.random(shape) < 0.4, few, array)
            if band.nodata is not None:
                array[rng.random(shape) < 0.2] = band.nodata
        array.tofile(folder / f"{band.name}.dat")
        stored[band.name] = array
    builders.write_metadata(folder / "metadata.csv", n, seed=seed)
    return stored


def inside(array, window=LAYOUT.valid):
    """Stored patches within a window."""
    rows = slice(window.row, window.row + window.height)
    return array[:, rows, window.col : window.col + window.width]


def pixels(array, nodata):
    """The data of stored patches, within the valid window."""
    flat = inside(array).ravel()
    keep = ~np.isnan(flat.astype(np.float64))
    return flat[keep] if nodata is None else flat[keep & (flat != nodata)]


def in_units(numbers, band):
    """Stored numbers in the units of a band."""
    return numbers.astype(np.float64) * band.scale + band.offset * band.scale


def exact_moments(numbers, band):
    """Mean and variance in units, as fractions."""
    values, counts = np.unique(numbers.astype(np.float64), return_counts=True)
    pairs = [(Fraction(v), c) for v, c in zip(values.tolist(), counts.tolist(), strict=True)]
    n, a, b = len(numbers), Fraction(band.scale), Fraction(band.offset * band.scale)
    mean = sum(v * c for v, c in pairs) / n
    variance = sum(c * (v - mean) ** 2 for v, c in pairs) / n
    return mean * a + b, variance * a * a


def near(one, other, size=0.0):
    """Whether numbers are equal but for rounding."""
    return abs(one - other) <= 1e-12 * max(abs(other), size)


def read_label(ds, label, ignore=255):
    """A label of every patch, as a reader reads it."""
    return ds.reader("i16", label, ignore=ignore, label_dtype="int64").read(range(len(ds))).label


def every_result(ds):
    """A result of every kind."""
    found = stats.bands(ds, [*INTS, *FLOATS, "i16"])
    classes = stats.classes(ds, {"hq": "card", "wide": None})
    agreement = stats.agreement(ds, ["found", "half"], "hq")
    each = stats.agreement(ds, "found", "hq", per_patch=True)
    return [found, classes["hq"], classes, agreement["half"].binary((1, 2)), agreement, each]


def valid_pixels(mini, name):
    """An array of the real patches, within their valid windows, as one."""
    return np.concatenate([np.asarray(mini.split(s)[name][:, 1:510, 1:510]) for s in mini.splits])
