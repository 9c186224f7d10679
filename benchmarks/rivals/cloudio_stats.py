"""cloudio's statistics, which count more than what is asked for here: extremes, percentiles."""

from contextlib import contextmanager

import numpy as np

import cloudio

from ..suite.rival import Rival


@contextmanager
def opened(task):
    dataset = cloudio.open(task.path).split(task.split)
    if task.n_patches < len(dataset):
        dataset = dataset.subset(range(task.n_patches))
    bands = [band.name for band in task.bands]

    def read(_):
        if task.question == "bands":
            found = cloudio.stats.bands(dataset, bands, threads=task.threads)
            return np.stack([found.mean, found.std])
        if task.question == "classes":
            return cloudio.stats.classes(dataset, task.label.name, threads=task.threads).per_patch
        maps = {task.source.name: "card"}
        found = cloudio.stats.agreement(dataset, maps, task.label.name, threads=task.threads)
        return found[task.source.name].matrix

    yield read


RIVALS = [
    Rival("cloudio.stats, all threads", opened, ("stats",), ("numpy",)),
    Rival("cloudio.stats, 1 thread", opened, ("stats",), ("numpy",), threads=1),
]
