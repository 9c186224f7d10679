"""The limits, measured in the same rounds as the rivals: no rival can beat them.

- copy limit: a plain copy of (read + written) / 2 bytes, so that as many bytes move, from the same
  mapped files; streamed past the cache, and by np.copyto.
- pattern limit: the barest loop that moves just the rows of the windows: int16 rows in, scaled
  float32 rows out, or rounded to float16, or as the bands of pixels; labels through their table, or
  as they are where the CPU has no instruction for that (AVX-512 VBMI).  Its threads wait for a
  batch, so that none is started in the time that counts.  The hardware fetches what lies between
  short rows, too, so that at 224 of 512 columns no loop reaches the copy limit.  Statistics write
  next to nothing: there, it is a loop that only reads the rows.
- disk limit: plain reads of the pages that hold the windows.

Of each kind, the fastest counts.  They have the form of rivals, so that worker processes run them;
to "convert" is to compile limits.c.
"""

from __future__ import annotations

import os

from .disk_limit import by_disk
from .memory_limits import Planes, compile_limits, copied, moved, pieces, rows
from .rival import Rival

#: Reads at once.
DEPTHS = 8, 32
_IN_MEMORY = "warm", "outputs", "loader", "formats", "small", "stats"


def _memory(name: str, planes: Planes, threads: int | None) -> Rival:
    return Rival(name, moved(planes), _IN_MEMORY, convert=compile_limits, threads=threads)


#: The limits of each kind.
LIMITS: dict[str, list[Rival]] = {
    "pattern": [
        _memory("bare loop, 1 thread", rows, 1),
        _memory("bare loop, all threads", rows, None),
    ],
    "copy": [
        _memory("streamed copy, 1 thread", pieces, 1),
        _memory("streamed copy, all threads", pieces, None),
        Rival("np.copyto, all threads", copied, _IN_MEMORY),
    ],
    "disk": [
        Rival(f"{kind}, {depth} at once", by_disk(depth, flags), ("cold",))
        for kind, flags in (("page cache", 0), ("O_DIRECT", os.O_DIRECT))
        for depth in DEPTHS
    ],
}
RIVALS = [one for kind in LIMITS.values() for one in kind]
