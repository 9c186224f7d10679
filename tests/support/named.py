"""Dicts of batches: what ``keys`` is to make of a batch."""

import numpy as np

#: The names, of parts and metadata columns, that tests give.
OWN = {"valid": "mask", "image": "x", "roi_id": "place", "index": "id", "s2_date": "date"}
OWN |= {"difficulty": "hard", "label": "y"}
#: What the presets name.
PRESETS = {
    "torchgeo": {"image": "image", "label": "mask"},
    "transformers": {"image": "pixel_values", "label": "labels"},
}


def expected(batch, keys, metadata):
    """Return the dict of arrays that is wanted of a batch of arrays."""
    names = PRESETS.get(keys, keys) if isinstance(keys, str) else keys
    preset = isinstance(keys, str)
    wanted = {}
    for part, name in names.items():
        if part in batch._fields:
            array = getattr(batch, part)
            if array is not None:
                wanted[name] = array.astype(np.int64) if preset and part == "label" else array
    for part, name in names.items():
        if part not in (*batch._fields, "label", "valid"):
            wanted[name] = metadata[part][batch.index]
    return wanted


def same(got, wanted):
    """Compare dicts: names in their order, and the values of arrays, tensors and lists."""
    assert type(got) is dict
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        part = got[name]
        if isinstance(part, list):
            assert part == array.tolist()
            continue
        part = part if isinstance(part, np.ndarray) else part.numpy()
        assert part.dtype == array.dtype
        assert np.array_equal(part, array, equal_nan=array.dtype.kind == "f")
