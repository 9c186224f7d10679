"""CloudSEN12 as tables: arrays, presets, label codes. Nothing here computes.

Sources: the release's files (names, types, padding), its card (scales, units, codes), ESA's
Sentinel-2A spectral response functions (wavelengths). If card and files disagree, the tables follow
the files, and the card's name is an alias.
"""

from .band import Band, Window
from .labels import LabelMap
from .layout import Layout

# Center wavelengths of Sentinel-2A in nm, in the order of the sensor.
_WAVELENGTHS = {
    "B1": 443.9, "B2": 496.6, "B3": 560.0, "B4": 664.5, "B5": 703.9, "B6": 740.2, "B7": 782.5,
    "B8": 835.1, "B8A": 864.8, "B9": 945.0, "B10": 1373.5, "B11": 1613.7, "B12": 2202.4,
}  # fmt: skip

_L1C = tuple(f"L1C_{name}" for name in _WAVELENGTHS)
_L2A = tuple(f"L2A_{name}" for name in _WAVELENGTHS if name != "B10")
_S1 = {"S1_VV": "dB", "S1_VH": "dB", "S1_angle": "degrees"}
_EXTRA = {
    "EXTRA_CDI": 1e-4,
    "EXTRA_Shwdirection": 1e-2,
    "EXTRA_elevation": 1.0,
    "EXTRA_ocurrence": 1.0,  # spelled so on disk
    "EXTRA_lc100": 1.0,
    "EXTRA_lc10": 1.0,
}
# The others' units are not stated.
_EXTRA_UNITS = {"EXTRA_elevation": "m"}
_LABELS = (
    "manual_hq", "manual_sc", "fmask", "qa60", "s2cloudless", "sen2cor", "cd_fcnn_rgbi",
    "cd_fcnn_rgbi_swir", "kappamask_L1C", "kappamask_L2A",
)  # fmt: skip

#: Names and colors of the target classes 0..3.  The colors are from Okabe and Ito, so that
#: color-blind people can tell them apart.
CLASSES = ("clear", "thick cloud", "thin cloud", "cloud shadow")
_COLORS = ("#009e73", "#d55e00", "#f0e442", "#56b4e9")

#: The classes that the paper compares, each with all others.
COMPARED = {"cloud": (1, 2), "cloud shadow": (3,)}
#: The arrays that hold land cover, and whose.
LAND_COVER = {"EXTRA_lc10": "WorldCover", "EXTRA_lc100": "CGLS-LC100"}
#: Points (number, brightness 0..1) of arrays without a wavelength, for figures.  Elevation: as much
#: brightness for the lowest 500 m as for all mountains, for most ground is low.
BRIGHTNESS: dict[str, tuple[tuple[float, float], ...]] = {
    "L2A_AOT": ((0, 0), (0.5, 1)),
    "L2A_WVP": ((0, 0), (5, 1)),
    **{f"L2A_TCI_{channel}": ((0, 0), (255, 1)) for channel in "RGB"},
    "S1_angle": ((29, 0), (47, 1)),
    "EXTRA_CDI": ((-1, 0), (1, 1)),
    "EXTRA_Shwdirection": ((0, 0), (360, 1)),
    "EXTRA_elevation": ((0, 0), (500, 0.5), (6000, 1)),
    "EXTRA_ocurrence": ((0, 0), (100, 1)),
}


def _policies(classes: dict[int, int | None], cleared: tuple[int, ...] = ()) -> dict[str, LabelMap]:
    """Return the maps of two policies, which differ for codes that the card does not list.

    "card" ignores them; the "authors"' code makes them clear.  ``cleared`` are those of them that
    occur in the files.
    """
    cleared_too = classes | dict.fromkeys(cleared, 0)
    return {
        "card": LabelMap(classes, names=CLASSES, colors=_COLORS),
        "authors": LabelMap(cleared_too, unlisted=0, names=CLASSES, colors=_COLORS),
    }


def _threshold(at: int) -> dict[str, LabelMap]:
    """Return the two policies of a probability of any kind of cloud, in percent."""
    label_map = LabelMap.threshold(at).with_names(("clear", "cloud"), ("#009e73", "#e69f00"))
    return dict.fromkeys(("card", "authors"), label_map)


_KAPPAMASK = _policies({1: 0, 4: 1, 3: 2, 2: 3}, cleared=(0, 5))
_LABEL_MAPS = {
    "LABEL_manual_hq": _policies({0: 0, 1: 1, 2: 2, 3: 3}),
    # 99: not labeled, under any policy.
    "LABEL_manual_sc": _policies({0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3, 99: None}),
    "LABEL_sen2cor": _policies(
        {2: 0, 4: 0, 5: 0, 6: 0, 11: 0, 8: 1, 9: 1, 10: 2, 3: 3}, cleared=(0, 1, 7)
    ),
    "LABEL_kappamask_L1C": _KAPPAMASK,
    "LABEL_kappamask_L2A": _KAPPAMASK,
    "LABEL_fmask": _policies({0: 0, 1: 0, 3: 0, 4: 1, 2: 3}),
    # 40 is s2cloudless' own default; cd_fcnn's is 50.
    "LABEL_s2cloudless": _threshold(40),
    "LABEL_cd_fcnn_rgbi": _threshold(50),
    "LABEL_cd_fcnn_rgbi_swir": _threshold(50),
    # Bits 10 and 11 of QA60, opaque and cirrus. The release's one byte a pixel cannot hold them.
    "LABEL_qa60": _policies({0: 0, 1024: 1, 2048: 2, 1024 | 2048: 1}),
}

# Labels whose files differ from the card, so that neither policy follows the card.
CARD_DIFFERS = {
    "LABEL_manual_sc": (
        "the card implies codes 0..3, and the files hold 0..6 and 99: under both policies 1 and 2 "
        "become thick cloud, 3 and 4 thin cloud, 5 and 6 shadow, and 99, not labeled, is ignored"
    ),
}

# Columns of which a metadata.csv of the release has one or more, and hardly any other.
RELEASE_COLUMNS = ("roi_id", "s2_id")

CLOUDSEN12 = Layout(
    name="CloudSEN12",
    patch=(512, 512),
    valid=Window(row=1, col=1, height=509, width=509),
    bands=(
        *(Band(f"L1C_{n}", scale=1e-4, wavelength=w, unit="") for n, w in _WAVELENGTHS.items()),
        *(
            Band(f"L2A_{n}", scale=1e-4, wavelength=w, unit="")
            for n, w in _WAVELENGTHS.items()
            if n != "B10"
        ),
        *(Band(f"L2A_{n}", scale=1e-3) for n in ("AOT", "WVP")),
        *(Band(f"L2A_TCI_{n}") for n in "RGB"),
        *(Band(name, dtype="float32", nodata=-99.0, unit=unit) for name, unit in _S1.items()),
        *(
            Band(name, scale=scale, nodata=-99.0, unit=_EXTRA_UNITS.get(name))
            for name, scale in _EXTRA.items()
        ),
        *(Band(f"LABEL_{name}", kind="label", dtype="uint8") for name in _LABELS),
    ),
    presets={
        "L1C": (_L1C,),
        "L2A": (_L2A,),
        "S1": (tuple(_S1),),
        "EXTRA": (tuple(_EXTRA),),
        "rgb": (("L1C_B4", "L1C_B3", "L1C_B2"), ("L2A_B4", "L2A_B3", "L2A_B2")),
    },
    label_maps=_LABEL_MAPS,
    aliases={
        "target": "LABEL_manual_hq",
        "occurrence": "EXTRA_ocurrence",
        "EXTRA_occurrence": "EXTRA_ocurrence",
    },
    prefixes=("L1C_", "L2A_", "S1_", "EXTRA_", "LABEL_"),
)
