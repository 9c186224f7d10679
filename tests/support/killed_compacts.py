"""A run of `compact` that ends itself with SIGKILL at a call of the system.

``main(SOURCE, DEST, MOMENT)``: MOMENT is "none" or "NAME:K", call K of a function of os, such as
"rename:0".  Tasks are small, and the journal is told of each.
"""

import os
import signal
import threading

import builders
import native
import numpy as np

from cloudio import Band, Layout, Window
from cloudio.layouts.toml_writer import to_toml


def contents(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write_data(folder, n=127):
    """Patches of four bands; all patches decide otherwise than the sample for two of them.

    B2 is not repeated; B11 is, but for two patches.  The sample has every second patch, by which
    B9 and B5 are of 60 m; the others of B9 are not repeated, and those of B5 are of 20 m.
    """
    valid, patch = Window(1, 2, 35, 41), (40, 48)
    layout = Layout("Four", patch, valid, tuple(map(Band, ("B2", "B11", "B9", "B5"))))

    def repeated(repeat, seed):
        stored = builders.pixels("x", (n, *native.stored_size(valid.size, repeat)), "int16", seed)
        phases = native.random_phases(np.random.default_rng(seed), n, repeat)
        return native.expand(stored, repeat, phases, patch, valid)

    arrays = {"B2": builders.pixels("B2", (n, *patch), "int16")}
    arrays |= {"B11": repeated(2, 1), "B9": repeated(6, 2), "B5": repeated(6, 3)}
    arrays["B11"][[30, 77], 17, 20] += 1
    arrays["B9"][1::2] = arrays["B2"][1::2]
    arrays["B5"][1::2] = repeated(2, 4)[1::2]
    (folder / "train").mkdir(parents=True)
    for name, pixels in arrays.items():
        pixels.tofile(folder / "train" / f"{name}.dat")
    builders.write_metadata(folder / "train" / "metadata.csv", n)
    (folder / "cloudio.toml").write_text(to_toml(layout))


def kill_at(name, number):
    """Kill this process right after a call of a function of os, by any thread."""
    function, left, lock = getattr(os, name), [number], threading.Lock()

    def calling(*args, **options):
        result = function(*args, **options)
        with lock:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
        return result

    setattr(os, name, calling)


def wait_for_commit(committer, done, n_bytes):
    committer._pending += done
    committer._begin()
    committer._last.result()


def small_tasks(set_attribute):
    """Make tasks small, and have the journal told of each before the next result is taken."""
    from cloudio.packing.compacting import units
    from cloudio.packing.running.committer import Committer

    set_attribute(units, "_READ", 64 << 10)
    set_attribute(units, "_COPIED", 64 << 10)
    set_attribute(Committer, "add", wait_for_commit)


def main(source, dest, moment):
    from cloudio.packing.compacting.compact import compact

    small_tasks(setattr)
    name, _, number = moment.partition(":")
    if name != "none":
        kill_at(name, int(number))
    compact(source, dest, workers=2, resume=True)
