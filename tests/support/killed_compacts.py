"""A run of `compact` that ends itself with SIGKILL at a call of the system.

``main(SOURCE, DEST, MOMENT)``: MOMENT is "none" or "NAME:K", call K of a function of os, such as
"rename:0".  Tasks are small, and the journal is told of each.
"""

from killed_packs import kill_at


def main(source, dest, moment):
    from cloudio.packing.compacting import units
    from cloudio.packing.compacting.compact import compact
    from cloudio.packing.running import committer

    units._READ, units._COPIED, committer._COMMIT_BYTES = 16 << 10, 16 << 10, 1
    name, _, number = moment.partition(":")
    if name != "none":
        kill_at(name, int(number))
    compact(source, dest, workers=2, exceptions=0.4, resume=True)
