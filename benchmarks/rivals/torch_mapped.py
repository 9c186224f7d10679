"""torch on files that it maps: ``mul(out=)`` as the idiom, and the fastest that was found.

The files are mapped by https://docs.pytorch.org/docs/stable/generated/torch.from_file.html.
``mul`` of int16 by a float converts to a copy first; ``copy_`` converts straight into the output,
and ``mul_`` then finds it in the cache.  The threads are Python's, each with its share of the
windows: torch releases the GIL, while its own threads would divide one window after another.
float16 is rounded from a float32 window; if bands come last, they are stacked as stored first.
Tried and slower: ``mul`` of stacked windows, one ``mul_`` for a sample or a batch,
``_foreach_copy_``, and `torch.compile` of a whole batch; for labels `index_select`, indexing and
`embedding`.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival


def mapped(array):
    """Return a tensor whose memory is the file's."""
    import torch

    dtype = getattr(torch, np.dtype(array.dtype).name)
    size = array.path.stat().st_size // dtype.itemsize
    flat = torch.from_file(str(array.path), shared=False, size=size, dtype=dtype)
    steps = [step // dtype.itemsize for step in array.strides]
    return flat.as_strided(array.shape, steps, array.start // dtype.itemsize)


def _pieces(task):
    """Return the output of a batch, and functions that read a window of a band or the label."""
    import torch

    image, label = (None if out is None else torch.from_numpy(out) for out in task.allocate())
    bands = [mapped(band) for band in task.bands]
    scales = task.scales.tolist()
    codes, table = None, None
    if task.label is not None:
        codes, table = mapped(task.label), torch.from_numpy(task.label.table)

    def look_up(s, window):
        torch.take(table, codes[window].long(), out=label[s])

    return image, label, bands, scales, look_up


@contextmanager
def by_mul(task):
    import torch

    torch.set_num_threads(task.threads)
    image, label, bands, scales, look_up = _pieces(task)

    def read(k):
        for s, window in enumerate(task.windows(k)):
            for b, band in enumerate(bands):
                torch.mul(band[window], scales[b], out=image[s, b])
            if label is not None:
                look_up(s, window)
        return image, label

    yield read


@contextmanager
def by_copy(task):
    import torch

    image, label, bands, scales, look_up = _pieces(task)
    last = torch.from_numpy(task.scales)
    # Scratch memory, of each thread.
    plane = torch.ones(task.threads, *task.size)
    stored = torch.ones(task.threads, *task.size, len(bands), dtype=torch.int16)

    def read_band(s, b, window, thread):
        to = image[s, b] if task.dtype == "float32" else plane[thread]
        to.copy_(bands[b][window]).mul_(scales[b])
        if task.dtype == "float16":
            image[s, b].copy_(to)

    def read_pixels(s, _, window, thread):
        torch.stack([band[window] for band in bands], 2, out=stored[thread])
        image[s].copy_(stored[thread]).mul_(last)

    read_part = read_pixels if task.channels_last else read_band
    n_parts = min(1, len(bands)) if task.channels_last else len(bands)
    n_arrays = n_parts + (label is not None)

    def share(windows, first):
        for j in range(first, len(windows) * n_arrays, task.threads):
            s, b = divmod(j, n_arrays)
            if b < n_parts:
                read_part(s, b, windows[s], first)
            else:
                look_up(s, windows[s])

    with ThreadPoolExecutor(task.threads, "torch", torch.set_num_threads, (1,)) as pool:

        def read(k):
            windows = task.windows(k)
            list(pool.map(lambda first: share(windows, first), range(task.threads)))
            return image, label

        yield read


SUITES = "warm", "outputs", "cold", "small"
RIVALS = [
    Rival("torch, mul(out=)", by_mul, ("warm",), ("torch",)),
    Rival("torch, copy_ and mul_ in threads", by_copy, SUITES, ("torch",)),
]
