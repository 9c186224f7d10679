"""Data sets as users write them around ours, and subclasses; workers import them from here."""

import torch

import cloudio
import cloudio.torch


class Items(torch.utils.data.Dataset):
    """A wrapper that has ``__getitem__`` alone."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


class Lists(Items):
    """A wrapper that has ``__getitems__`` too, by torch's contract."""

    def __getitems__(self, index):
        return list(self.dataset.__getitems__(index))


class Stream(torch.utils.data.IterableDataset):
    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        return (self.dataset[k] for k in range(len(self.dataset)))


class Sevens:
    """Overrides ``__getitem__``: every pixel is 7 and an attribute is used."""

    added = 0

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        if isinstance(sample, dict):
            return {**sample, "x": sample["x"] * 0 + 7 + self.added}
        return sample._replace(image=sample.image * 0 + 7 + self.added)


class SevensReader(Sevens, cloudio.Reader):
    def __init__(self, dataset, added):
        super().__init__(dataset, "L1C", "hq", size=20)
        self.added = added


class SevensDataset(Sevens, cloudio.torch.Dataset):
    pass


class Doubled(cloudio.Reader):
    """Overrides ``read``; what it returns is new memory."""

    def read(self, index, origin=None, symmetry=None, out=None):
        batch = super().read(index, origin, symmetry, out)
        return batch._replace(image=batch.image * 2)
