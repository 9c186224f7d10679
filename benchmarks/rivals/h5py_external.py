"""h5py: data sets of one HDF5 file that lie in the stored files ("external"); no pixel is copied.

https://docs.h5py.org/en/stable/high/group.html#h5py.Group.create_dataset (``external``).  HDF5
has one lock for all threads (https://docs.h5py.org/en/stable/threads.html), so that threads only
scale at the same time.

Tried: windows as they are, read by ``ds[...]``, `read_direct`, or the low-level `h5d.read`, into
int16 or converted to float32 by HDF5.  Each opens the file once for each row of each band, and is
4 to 9 times as slow as whole rows (one read) that numpy crops, which stands here.
"""

from contextlib import contextmanager

from ..suite.rival import Rival
from ..suite.samples import by_sample


def convert(task, folder):
    import h5py

    with h5py.File(folder / "external.h5", "w") as file:
        for array in task.arrays:
            if not array.is_flat:
                raise ValueError(f"{array.path}: HDF5 takes external files of flat arrays only")
            n, height, width = array.shape
            file.create_dataset(
                array.name,
                array.shape,
                array.dtype,
                external=[(str(array.path), array.start, n * height * width * array.strides[2])],
            )


@contextmanager
def opened(task):
    import h5py

    with h5py.File(task.converted / "external.h5") as file:
        bands = [file[band.name] for band in task.bands]
        codes = None if task.label is None else file[task.label.name]

        def crop(patch, rows, cols):
            pixels = (band[patch, rows][:, cols] for band in bands)
            return pixels, None if codes is None else codes[patch, rows][:, cols]

        with by_sample(task, crop) as read:
            yield read


RIVALS = [
    Rival(
        "h5py, external files",
        opened,
        ("formats", "cold"),
        ("h5py", "numpy"),
        convert=convert,
        note="HDF5 with external data sets; the stored files stay as they are",
    )
]
