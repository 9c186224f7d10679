"""As correct.py, for batches of tensors."""

from typing import Any, assert_type

import torch
from torch.utils.data import DataLoader

import cloudio
import cloudio.torch

ds = cloudio.open("data")
reader = ds.reader("L1C", "manual_hq", dtype=torch.bfloat16, label_dtype=torch.int64)
loader = cloudio.torch.Loader(
    reader, 32, device="cuda", scale_on="device", seed=1, index=torch.arange(8)
)
for batch in loader:
    assert_type(batch.image, torch.Tensor)
    assert_type(batch.label, torch.Tensor)
    assert_type(batch.index, torch.Tensor)
    torch.nn.functional.cross_entropy(batch.image, batch.label, ignore_index=255)
for masked in cloudio.torch.Loader(ds.reader(valid=True), 32, device=torch.device("cpu")):
    assert_type(masked.valid, torch.Tensor)
    assert_type(masked.label, torch.Tensor | None)
assert_type(cloudio.torch.read(reader, torch.tensor([0])).label, torch.Tensor)
assert_type(cloudio.torch.read(ds.reader("L1C"), 0).label, torch.Tensor | None)

dataset = cloudio.torch.Dataset(reader, crop="center")
assert_type(dataset[0].label, torch.Tensor)
assert_type(dataset[0].index, int)
assert_type(dataset[[0, 1]].index, torch.Tensor)
for batch in DataLoader(dataset, 4, collate_fn=cloudio.torch.collate):
    print(batch.image.shape)
assert_type(cloudio.torch.collate(reader.read([0])).label, torch.Tensor)
assert_type(cloudio.torch.collate([reader[0], reader[1]]).label, torch.Tensor)


def train(loader: cloudio.torch.Loader, data: cloudio.torch.Dataset) -> None:
    for batch in loader:
        assert_type(batch.image, torch.Tensor)
        batch.label.max()
    data[0].image.max()


train(loader, dataset)
for sample in dataset.__getitems__([0, 1]):
    assert_type(sample.label, torch.Tensor)
assert_type(reader.__getitems__([0])[0].index, int)
assert_type(cloudio.torch.collate(dataset.__getitems__([0])).label, torch.Tensor)
named = torch.utils.data.StackDataset(cloud=dataset)
for both in DataLoader(named, 4, collate_fn=cloudio.torch.collate):
    print(both["cloud"].image)

# ---- dicts ---------------------------------------------------------------------------------------

named_reader = ds.reader("L1C", "manual_hq", keys="torchgeo")
named_sets = [cloudio.torch.Dataset(named_reader), cloudio.torch.Dataset(reader, keys="torchgeo")]
for named_set in named_sets:
    assert_type(named_set[0], dict[str, Any])
    assert_type(named_set[[0]], dict[str, Any])
    for batch_of_dicts in DataLoader(named_set, 4, collate_fn=cloudio.torch.collate):
        print(batch_of_dicts["image"].shape)
assert_type(cloudio.torch.collate(named_reader.read([0])), dict[str, Any])
assert_type(cloudio.torch.collate([named_reader[0]]), dict[str, Any])
assert_type(cloudio.torch.read(named_reader, [0]), dict[str, Any])
for tensors in cloudio.torch.Loader(reader, 4, keys={"image": "x"}, device="cpu"):
    assert_type(tensors, dict[str, Any])
for tensors in cloudio.torch.Loader(named_reader, 4):
    assert_type(tensors, dict[str, Any])
