"""One small window, by numpy with nothing that could be left out, and by cloudio."""

from typing import Any

from lookups import using

from cloudio import Batch
from cloudio._core import runtime
from cloudio.bench.candidates import SCALINGS
from cloudio.bench.timing import Candidate
from cloudio.bench.workload import Workload


def small_reads(workload: Workload) -> list[Candidate]:
    """All candidates for the first sample alone, cloudio last."""
    patch, (row, col) = int(workload.index[0]), workload.origin[0].tolist()
    height, width = workload.size

    def numpy(name: str) -> Candidate:
        scale_into, maps, scales = SCALINGS[name], workload.maps, workload.scales

        def run(out: Batch) -> Batch:
            image = out.image[0]
            for b in range(len(maps)):
                window = maps[b][patch, row : row + height, col : col + width]
                scale_into(window, scales[b], image[b])
            return out

        return Candidate(name, 1, run)

    # A reader with the default threads: it must find out that one is enough for so little.
    reader = workload.reader(None)

    def cloudio(out: Batch) -> Batch:
        return reader.read([patch], (row, col), out=out)

    return [*map(numpy, SCALINGS), Candidate("cloudio", 1, cloudio)]


def repeated(candidate: Candidate, n: int, isa: str | None = None) -> Candidate:
    """The same ``n`` times, where once is too short for a clock; with that instruction set."""

    def run(out: Any) -> Any:
        with using(isa or runtime.isa()):
            for _ in range(n):
                candidate.run(out)
        return out

    name = f"{candidate.name}, {isa}" if isa else candidate.name
    return Candidate(name, candidate.threads, run)
