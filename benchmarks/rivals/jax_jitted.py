"""jax on the CPU: one compiled function of the whole batch, on mapped files.

`jax.device_put` takes a NumPy array as it lies if its address is a multiple of 64, so nothing is
copied: https://docs.jax.dev/en/latest/_autosummary/jax.device_put.html.  The windows are
`dynamic_slice` under `vmap`, with static shapes.  The batch before the last is donated, and its
memory becomes the next one's (https://docs.jax.dev/en/latest/buffer_donation.html); the last one
is not, because memory that a NumPy array still shows is not donated but copied.
Tried and slower: a new batch each time, stacked bands instead of ``at[].set``, `lax.map` over the
samples, one call for each sample; a slice for each window in one function compiles for minutes.
"""

import os
from contextlib import contextmanager

import numpy as np

from ..suite.rival import Rival


@contextmanager
def opened(task):
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["NPROC"] = str(task.threads)  # how many threads XLA starts
    import jax
    import jax.numpy as jnp

    def put(array):
        return None if array is None else jax.device_put(array.mapped())

    def gather(out, bands, codes, table, patches, origins):
        def windows(array):
            def window(patch, origin):
                starts = patch, origin[0], origin[1]
                return jax.lax.dynamic_slice(array, starts, (1, *task.size))[0]

            return jax.vmap(window)(patches, origins)

        image, label = out
        for b, band in enumerate(bands):
            image = image.at[:, b].set(windows(band).astype(jnp.float32) * task.scales[b])
        return image, None if codes is None else label.at[:].set(table[windows(codes)])

    bands, codes = [put(band) for band in task.bands], put(task.label)
    table = None if task.label is None else jnp.asarray(task.label.table)
    outs = [tuple(None if a is None else jnp.array(a) for a in task.allocate()) for _ in range(2)]
    index, origin = task.index.astype(np.int32), task.origin.astype(np.int32)
    jitted = jax.jit(gather, donate_argnums=0, keep_unused=True)
    # Compiled ahead: the first batch is read as fast as the others.
    compiled = jitted.lower(outs[0], bands, codes, table, index[0], origin[0]).compile()

    def read(k):
        outs[k % 2] = compiled(outs[k % 2], bands, codes, table, index[k], origin[k])
        return tuple(None if a is None else np.asarray(a) for a in outs[k % 2])

    yield read


RIVALS = [Rival("jax, jitted", opened, ("warm",), ("jax",))]
