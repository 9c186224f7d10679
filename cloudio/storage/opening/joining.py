"""One .npy file for each patch: what is said of such files, and code that joins them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._utils.text import counted, listed


@dataclass(frozen=True)
class Series:
    """Files of one patch each: all of ``folder`` whose stems match ``pattern``, as one array.

    ``shape`` is that of each; its channels are the last axis if ``is_last``.
    """

    folder: Path
    pattern: str
    name: str
    files: Sequence[Path]
    shape: tuple[int, ...]
    dtype: str
    is_last: bool

    @property
    def _first(self) -> tuple[int, ...]:
        """The shape with the channels before the rows."""
        return (self.shape[-1], *self.shape[:2]) if self.is_last else self.shape

    @property
    def joined(self) -> tuple[int, ...]:
        """The shape of the array of all patches."""
        return len(self.files), *self._first

    @property
    def patch(self) -> tuple[int, int]:
        height, width = self._first[-2:]
        return height, width

    @property
    def sentence(self) -> str:
        axes = "row, column"
        if len(self.shape) == 3:
            axes = f"{axes}, channel" if self.is_last else f"channel, {axes}"
        return (
            f"{self.folder} has {counted(len(self.files), '.npy file')} of shape {self.shape}, "
            f"{self.dtype} ({listed(path.name for path in self.files)}): by their names one for "
            f"each patch, ({axes})."
        )


def joining_code(series: Sequence[Series], folder: Path) -> str:
    """Return Python that writes one file for all patches of each series into a new folder."""
    lines = [
        "Join them:",
        "",
        "from pathlib import Path",
        "import numpy as np",
        "",
        f"folder = Path({str(folder)!r})",
        "folder.mkdir()",
    ]
    for each in series:
        shape = f"(len(files), {', '.join(map(str, each.joined[1:]))})"
        one = "np.load(file)"
        lines += [
            f"files = sorted(Path({str(each.folder)!r}).glob({each.pattern + '.npy'!r}))",
            f"array = np.lib.format.open_memmap(folder / {each.name + '.npy'!r}, 'w+', "
            f"{each.dtype!r}, {shape})",
            "for k, file in enumerate(files):",
            f"    array[k] = {f'np.moveaxis({one}, -1, 0)' if each.is_last else one}",
            "array.flush()",
        ]
    return "\n".join(lines)
