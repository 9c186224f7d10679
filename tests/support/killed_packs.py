"""A run of `pack` that ends itself with SIGKILL, at a sample or at a call of the system.

``main(DEST, N, WORKERS, MOMENT)``: MOMENT is "none", "sample:K", or "NAME:K", call K of a function
of os, such as "rename:0".  Without workers a thread reads.
"""

import os
import signal

import numpy as np

SHAPE = (16, 16)


class Planes:
    """A source of ``n`` samples that are computed from their numbers; process or thread workers."""

    def __init__(self, n, *, killer=None, in_threads=False, fails=()):
        self._n, self._killer, self._fails = n, killer, fails
        self.in_threads = in_threads

    def __len__(self):
        return self._n

    def name_of(self, k):
        return f"number {k}"

    def split_of(self, k):
        return "val" if k % 5 == 3 else "train"

    def digest(self):
        return f"{self._n} numbers"

    def label_names(self):
        return {}

    def read(self, k):
        from cloudio.packing.sample import ArrayInfo, LeftOut, Sample

        if k in self._fails:
            raise LeftOut("its number is odd")
        if self._killer is not None and self._killer == (k, os.environ.get("TO_KILL")):
            os.kill(int(os.environ["TO_KILL"]), signal.SIGKILL)
        random = np.random.default_rng(k)
        arrays = {
            "B1": random.integers(0, 9999, SHAPE, np.uint16),
            "mask": random.integers(0, 3, SHAPE),
        }
        return Sample(arrays, {"mask": ArrayInfo("label")}, {"id": k})


def kill_at(name, number):
    """Kill this process right after a call of a function of os."""
    function, left = getattr(os, name), [number]

    def calling(*args, **options):
        result = function(*args, **options)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return result

    setattr(os, name, calling)


def main(dest, n, workers, moment):
    from cloudio.packing.pack import pack

    name, _, number = moment.partition(":")
    options = {"fails": range(7, n, 10), "in_threads": not workers}
    source = Planes(n, **options)
    if name == "sample":
        os.environ["TO_KILL"] = str(os.getpid())
        source = Planes(n, killer=(int(number), os.environ["TO_KILL"]), **options)
    elif name != "none":
        kill_at(name, int(number))
    pack(source, dest, workers=workers or 1, resume=True)
