"""A layout of every kind of file as TOML, and the files that it describes."""

import math

import numpy as np
from builders import pixels

from cloudio import Band, LabelMap, Layout, Window

WHOLE = """\
# every key there is but unit
name = "Whole"
patch = [40, 48]
valid = [1, 2, 35, 41]
prefixes = ["S2_", "S1_"]

[[arrays]]
names = [
    "S2_B2",  # in the order of the file
    "S2_B3", "S2_B4",
]
file = "*_S2.npy"
stacked = true
dtype = "uint16"
scale = 1e-4
offset = -1000
wavelengths = [496.6, 560, 664.5]

[[arrays]]
names = ["S1_VV", "S1_VH"]
file = "{name}.npy"
dtype = "float32"
nodata = nan

[[arrays]]
names = ["red", "blue"]
file = "rgb.dat"
channels = 3
channel = [0, 2]
dtype = "int16"
scale = "unknown"

[[arrays]]
name = "height"
dtype = "int16"
nodata = -32768
wavelength = 1.5

[[arrays]]
name = "water"
kind = "label"
dtype = "int8"
channel = 1
channels = 2
file = "labels.dat"

[[arrays]]
name = "percent"
kind = "label"
stacked = true
dtype = "uint8"

[presets]
rgb = ["S2_B4", "S2_B3", "S2_B2"]
some = [["red", "blue"], ["S1_VV"]]

[aliases]
dem = "height"

[label_maps.water.flood]
classes = { 0 = 0, 1 = 1, -1 = "ignore" }

[label_maps.water.both]
unlisted = 1
[label_maps.water.both.classes]
0 = 0

[label_maps.percent]
half = { threshold = 50 }
low = { threshold = 3, top = 10 }
"""

LAYOUT = Layout(
    name="Whole",
    patch=(40, 48),
    valid=Window(1, 2, 35, 41),
    bands=(
        *(
            Band(
                name,
                dtype="uint16",
                scale=1e-4,
                offset=-1000.0,
                wavelength=wavelength,
                file="*_S2.npy",
                channel=k,
                channels=3,
            )
            for k, (name, wavelength) in enumerate(
                {"S2_B2": 496.6, "S2_B3": 560.0, "S2_B4": 664.5}.items()
            )
        ),
        Band("S1_VV", dtype="float32", nodata=math.nan, file="{name}.npy"),
        Band("S1_VH", dtype="float32", nodata=math.nan, file="{name}.npy"),
        Band("red", scale=None, file="rgb.dat", channel=0, channels=3),
        Band("blue", scale=None, file="rgb.dat", channel=2, channels=3),
        Band("height", nodata=-32768.0, wavelength=1.5),
        Band("water", "label", "int8", file="labels.dat", channel=1, channels=2),
        Band("percent", "label", "uint8", channel=0, channels=1),
    ),
    presets={
        "rgb": (("S2_B4", "S2_B3", "S2_B2"),),
        "some": (("red", "blue"), ("S1_VV",)),
    },
    label_maps={
        "water": {
            "flood": LabelMap({0: 0, 1: 1, -1: None}),
            "both": LabelMap({0: 0}, unlisted=1),
        },
        "percent": {"half": LabelMap.threshold(50), "low": LabelMap.threshold(3, top=10)},
    },
    aliases={"dem": "height"},
    prefixes=("S2_", "S1_"),
)


def toml(folder, text, name="my.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_whole(folder, n=2, marker="1"):
    """A split of WHOLE, and its arrays."""
    folder.mkdir(exist_ok=True, parents=True)
    s2 = pixels(f"s2{marker}", (n, 3, 40, 48), "uint16")
    np.save(folder / f"{marker}_S2.npy", s2)
    rgb, labels = (
        pixels("rgb", (n, 3, 40, 48), "int16"),
        pixels("labels", (n, 2, 40, 48), "int8"),
    )
    rgb.tofile(folder / "rgb.dat")
    labels.tofile(folder / "labels.dat")
    arrays = {f"S2_B{k + 2}": s2[:, k] for k in range(3)}
    arrays |= {"red": rgb[:, 0], "blue": rgb[:, 2], "water": labels[:, 1]}
    for name in ("S1_VV", "S1_VH"):
        arrays[name] = pixels(name, (n, 40, 48), "float32")
        np.save(folder / f"{name}.npy", arrays[name])
    arrays["height"] = pixels("height", (n, 40, 48), "int16")
    arrays["height"].tofile(folder / "DEM.dat")
    percent = pixels("percent", (n, 1, 40, 48), "uint8")
    np.save(folder / "percent.npy", percent)
    return arrays | {"percent": percent[:, 0]}
