"""A user's script that `mypy --strict` finds nothing in; no statement of it runs in the tests.

It has no assert and no cast: a label is there where labels were named, and a mask where it was
asked for.
"""

from typing import Any, assert_type

import numpy as np

import cloudio
import cloudio.stats

ds = cloudio.open("data", io="mmap", layout="my.toml")

# ---- readers -------------------------------------------------------------------------------------

stats = cloudio.stats.bands(ds.split("train"), "L1C")
reader = ds.reader("L1C", "manual_hq", size=224, mean=stats.mean, std=stats.std)
batch = reader.read([3, 1, -1], origin=(16, 16), symmetry=np.arange(3))
assert_type(batch.image, np.ndarray)
assert_type(batch.label, np.ndarray)
assert_type(batch.index, np.ndarray)
image, label, index = batch
print(label.shape, index.tolist())
assert_type(reader[3].index, int)
assert_type(reader[3].label, np.ndarray)
assert_type(reader[3:5].index, np.ndarray)
assert_type(reader[[3, 5]].index, np.ndarray)
reader.read(range(2), out=reader.allocate(2))
reader.read(range(2), out=(image, label))
ds.reader(labels=["manual_hq", "sen2cor"], dtype=np.float16).read(0).label.max()
ds.reader("rgb", {"sen2cor": "authors", "fmask": None, "qa60": {0: 0, 1: 1}}).read(0).label.max()

assert_type(ds.reader("L1C").read(np.array([0])).label, np.ndarray | None)
assert_type(ds.reader("L1C", None).read(np.int64(0)).label, np.ndarray | None)

masked = ds.reader(["B4", "B3"], "manual_hq", valid=True, dtype="bfloat16", clip=(0, None))
assert_type(masked.read([0]).valid, np.ndarray)
assert_type(masked[0].valid, np.ndarray)
assert_type(masked[0].label, np.ndarray)
image, label, index, valid = masked.read([0])
assert_type(ds.reader(valid=True).read([0]).label, np.ndarray | None)


def of_settings(path: str, label: str | None, mask: bool) -> None:
    """What is known only when the script runs."""
    if label is not None:
        ds.reader("L1C", label).read([0]).label.max()
    print(ds.reader("L1C", label, valid=mask).read([0]).image.shape)


def evaluate(reader: cloudio.Reader, loader: cloudio.Loader) -> float:
    """Take any reader and loader; the label may be of any kind."""
    print(reader.read([0]).label.shape)
    return float(sum(batch.label.sum() for batch in loader))


def only_images(reader: cloudio.Reader[cloudio.Batch[np.ndarray]]) -> np.ndarray:
    return reader.read([0]).image


def with_labels(batch: cloudio.Batch[np.ndarray, Any]) -> int:
    return len(batch.label)


# ---- loaders -------------------------------------------------------------------------------------

loader = cloudio.Loader(reader, 32, crop="random", symmetry="d4", index=np.arange(8), seed=1)
for batch in loader:
    assert_type(batch.label, np.ndarray)
for masked_batch in cloudio.Loader(masked, 32, crop=(0, 0), shuffle=False):
    assert_type(masked_batch.valid, np.ndarray)
drawn = cloudio.Loader(
    reader, 32, weights=np.ones(8), replacement=True, num_samples=99, even_batches=False
)
for batch in drawn:
    assert_type(batch.label, np.ndarray)
for named in cloudio.Loader(reader, 32, columns=["roi_id"], crops_per_patch=2):
    assert_type(named, dict[str, Any])
for mean in cloudio.Loader(reader, 32, transform=lambda batch: float(batch.image.mean())):
    assert_type(mean, float)
loader.load_state_dict(loader.state_dict())
reader.read(*loader.samples([0, 1]))
iteration = iter(loader)
print(len(iteration), next(iteration).label.shape)
iteration.close()
print(evaluate(reader, loader), only_images(reader), with_labels(batch))

# ---- the rest ------------------------------------------------------------------------------------

splits = cloudio.make_splits(ds, {"train": 0.8, "val": 0.2}, group=None, stratify="cloud_coverage")
train = ds.subset(splits["train"]).subset(cloud_coverage=("cloudy", "cloud-free"))
print(train["L1C_B4"].shape, ds.locate([0, 1])[0][0], ds.band("B4").scale)
counts = cloudio.stats.classes(ds, "manual_hq")
print(counts.weights("median"), counts.weights("effective", beta=0.99))
print(cloudio.stats.classes(ds, ["manual_hq", "fmask"])["LABEL_fmask"].share)
print(cloudio.stats.agreement(ds, "fmask", {"manual_hq": "card"}).f1)
print(cloudio.verify("data", full=False).ok)
cloudio.synthesize("data", {"train": 2}, seed=3, arrays=["L1C_B4"])
small = cloudio.compact("data", "out", repeat={"B11": 2, "VV": (1, 2)}, exceptions=0.5, labels=True)
print(small.arrays[0].repeat, small.json(), cloudio.compact("data", "out", repeat=[6, (1, 2)]))
unpacked = cloudio.unpack(ds, "out", index=[0, 1], predictions=batch.label, nodata=255)
print(unpacked.files[0].name, cloudio.unpack("data", "npy", arrays="rgb", format="npy").n_bytes)
arrays = [ds["L1C_B4"], ds["L1C_B3"]]
print(cloudio.gather(arrays, [0, 1], size=(224, 224), origin=[(0, 0), (3, 4)], scale=1e-4).shape)
print(cloudio.gather(arrays, [0, 1], repeat=[1, (2, 2)], phase=[0, np.zeros((2, 2), int)]).shape)
print(cloudio.gather(arrays, [0], repeat=2, phase=1).shape)
print(cloudio.remap(ds["LABEL_fmask"], 0, np.zeros(256, np.uint8)).shape)
print(cloudio.remap(arrays[0], 0, {0: 1}, repeat=(1, 2), phase=(0, 1)).shape)
print(cloudio.remap(arrays[0], 0, {0: 1}, repeat=6, phase=[(0, 1), (5, 5)]).shape)
layout = cloudio.Layout(
    name="mine",
    patch=(256, 256),
    valid=cloudio.Window(0, 0, 256, 256),
    bands=(cloudio.Band("red", dtype="uint16"), cloudio.Band("mask", "label", "uint8")),
    label_maps={"mask": {"own": cloudio.LabelMap({0: 0, 1: 1, 255: None})}},
)
cloudio.open("mine", layout=layout)
try:
    cloudio.open("nothing")
except cloudio.CloudioError as error:
    print(error.path)

# ---- dicts ---------------------------------------------------------------------------------------

named_reader = ds.reader("L1C", "manual_hq", size=224, keys="torchgeo")
assert_type(named_reader.read([0]), dict[str, Any])
assert_type(named_reader[0], dict[str, Any])
assert_type(named_reader[:3], dict[str, Any])
assert_type(named_reader.__getitems__([0])[0], dict[str, Any])
named_reader.read([0], out=named_reader.allocate(1))
assert_type(ds.reader(keys={"image": "x", "roi_id": "roi"}, valid=True)[0], dict[str, Any])
assert_type(ds.reader("L1C", keys=None).read([0]).image, np.ndarray)
for named_batch in cloudio.Loader(reader, 32, keys="transformers"):
    assert_type(named_batch, dict[str, Any])
for named_batch in cloudio.Loader(named_reader, 32, shuffle=False):
    assert_type(named_batch, dict[str, Any])
for named_batch in cloudio.Loader(reader, 32, keys={"image": "x"}, columns=["roi_id"]):
    assert_type(named_batch, dict[str, Any])
for shape in cloudio.Loader(reader, 32, keys={"image": "x"}, transform=lambda b: len(b)):
    assert_type(shape, int)
