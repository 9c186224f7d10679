"""Any request that a reader allows, read as asked, and compared with numpy."""

import builders
import numpy as np
import oracle
from hypothesis import strategies as st

from cloudio._core import runtime

L1C = ("L1C_B2", "L1C_B3", "L1C_B4", "L1C_B8A")
COUNTS = {"train": 4, "val": 1, "test": 2}


class Arrays(dict):
    """Arrays by name, shown as no more than that when a test fails."""

    def __repr__(self):
        return f"<{len(self)} arrays>"


def fold_scale(scale, mean, std):
    """Factor and summand as documented, by hand."""
    return scale / std, -mean / std


def in_order(clip):
    return None in clip or clip[0] <= clip[1]


@st.composite
def requests(draw, layout=builders.SMALL, n_patches=7, widest=48):
    """Any request a reader allows: what to read, how, which patches, where, on what."""
    names = [band.name for band in layout.bands]
    maps = [*layout.label_maps]
    rows, cols = layout.patch
    height, width = draw(st.integers(1, rows)), draw(st.integers(1, widest))
    if draw(st.booleans()):
        width = height
    n = draw(st.integers(0, 9))
    turns = st.integers(0, 7) if width == height else st.sampled_from([0, 2, 4, 6])
    limit = st.none() | st.floats(-100, 100)
    corner = st.tuples(st.integers(0, rows - height), st.integers(0, cols - width))
    number = st.floats(-1e4, 1e4).filter(lambda x: abs(x) > 1e-6)
    bands = draw(st.lists(st.sampled_from(names), min_size=1, max_size=5))
    return {
        "bands": bands,
        "labels": draw(st.lists(st.sampled_from(maps), unique=True)),
        "policy": draw(st.sampled_from(["card", "authors", None])),
        "size": (height, width),
        "scale": draw(
            st.sampled_from(["reflectance", None])
            | number.filter(bool)
            | st.lists(number.filter(bool), min_size=len(bands), max_size=len(bands))
        ),
        "mean": draw(st.none() | number),
        "std": draw(st.none() | st.floats(1e-3, 1e3)),
        "label_dtype": draw(st.sampled_from(["uint8", "int64"])),
        "threads": draw(st.integers(1, 4)),
        "index": draw(st.lists(st.integers(-n_patches, n_patches - 1), min_size=n, max_size=n)),
        "origin": draw(st.none() | corner | st.lists(corner, min_size=n, max_size=n)),
        "symmetry": draw(st.none() | turns | st.lists(turns, min_size=n, max_size=n)),
        "dtype": draw(st.sampled_from(["float32", "float16", "bfloat16"])),
        "layout": draw(st.sampled_from(["NCHW", "NHWC"])),
        "clip": draw(st.none() | st.tuples(limit, limit).filter(in_order)),
        "fill": draw(st.none() | st.sampled_from([0.0, -9.5, float("nan")])),
        "valid": draw(st.booleans()),
        "out": draw(st.booleans()),
        "isa": draw(st.sampled_from(runtime.available())),
        "stream": draw(st.booleans()),
        "tile": draw(st.sampled_from([64, 1024, 65536])),
        "waiting": draw(st.sampled_from([1, 3, 32])),
    }


def read_as_asked(dataset, asked):
    before, isa = runtime.tune(), runtime.isa()
    runtime.use(asked["isa"])
    runtime.tune(
        thread_bytes=1, tile_bytes=asked["tile"], read_bytes=asked["tile"],
        stream_bytes=1 if asked["stream"] else 1 << 60, waiting=asked["waiting"],
    )  # fmt: skip
    try:
        return read_untuned(dataset, asked)
    finally:
        runtime.use(isa)
        runtime.tune(**before)


def read_untuned(dataset, asked):
    labels = dict.fromkeys(asked["labels"], asked["policy"]) or None
    settings_ = (
        "size", "scale", "mean", "std", "label_dtype", "threads", "dtype", "layout", "clip",
        "fill", "valid",
    )  # fmt: skip
    options = {k: asked[k] for k in settings_}
    reader = dataset.reader(asked["bands"], labels, ignore=200, **options)
    out = None
    if asked["out"]:
        out = reader.allocate(len(asked["index"]))
        out.image.fill(np.nan)
        if out.label is not None:
            out.label.fill(77)
        if asked["valid"]:
            out.valid.fill(77)
    symmetry = None if asked["symmetry"] == [] else asked["symmetry"]
    batch = reader.read(asked["index"], asked["origin"] or None, symmetry, out)
    assert out is None or batch.image is out.image
    return batch


def check_batch(batch, arrays, asked, layout=builders.SMALL):
    index = [i % len(arrays[layout.bands[0].name]) for i in asked["index"]]
    assert batch.index.tolist() == index
    height, width = asked["size"]
    real = layout.valid
    center = (
        min(max(real.row + (real.height - height) // 2, 0), layout.patch[0] - height),
        min(max(real.col + (real.width - width) // 2, 0), layout.patch[1] - width),
    )
    origin = asked["origin"] or center
    origins = origin if isinstance(origin, list) else [origin] * len(index)
    scale = asked["scale"]
    own = [layout.band(name).scale for name in asked["bands"]]
    scales = own if scale == "reflectance" else np.broadcast_to(scale or 1.0, len(own))
    pairs = [fold_scale(float(s), asked["mean"] or 0.0, asked["std"] or 1.0) for s in scales]
    bands = [arrays[name] for name in asked["bands"]]
    turned = np.broadcast_to(asked["symmetry"] or 0, len(index)).tolist()
    nodata = [layout.band(name).nodata for name in asked["bands"]]
    wanted = oracle.image(
        bands, index, origins, asked["size"], *zip(*pairs, strict=True),
        clip=asked["clip"] or (None, None), nodata=nodata, fill=asked["fill"], symmetries=turned,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        wanted = wanted.astype(asked["dtype"])
    if asked["layout"] == "NHWC":
        wanted = np.ascontiguousarray(wanted.transpose(0, 2, 3, 1))
    assert oracle.same_bits(batch.image, wanted)
    if asked["valid"]:
        wanted = oracle.valid(bands, index, origins, asked["size"], layout.valid, nodata, turned)
        assert oracle.same_bits(batch.valid, wanted)
    for k, name in enumerate(asked["labels"]):
        policy = asked["policy"]
        label_map = layout.label_maps[name][policy] if policy else None
        classes = None
        if label_map:
            unlisted = 200 if label_map.unlisted is None else label_map.unlisted
            classes = dict.fromkeys(range(256), unlisted)
            classes |= {code: 200 if to is None else to for code, to in label_map.classes.items()}
        wanted = oracle.label(
            arrays[name], index, origins, asked["size"], classes,
            layout.valid, 200, asked["label_dtype"],
        )  # fmt: skip
        wanted = np.array([oracle.orient(x, t) for x, t in zip(wanted, turned, strict=True)])
        wanted = wanted.reshape(-1, height, width).astype(asked["label_dtype"])
        assert oracle.same_bits(np.ascontiguousarray(batch.label[:, k]), wanted)
