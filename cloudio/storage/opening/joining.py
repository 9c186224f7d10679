"""One .npy file for each patch: what is said of such files, and code that joins them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._utils.text import counted, listed


@dataclass(frozen=True)
class Series:
    """Files of one patch each: all of ``folder`` with stems like ``alike``, as one array.

    In ``alike``, ``*`` stands for a number.  ``split`` is the name of the split, or "" for the only
    one.  ``shape`` is that of each file; its channels are the last axis if ``is_last``.
    """

    folder: Path
    split: str
    alike: str
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
    def pattern(self) -> str:
        """The regular expression of the files' names."""
        return re.escape(f"{self.alike}{self.files[0].suffix}").replace(r"\*", "[0-9]+")

    @property
    def numbers(self) -> set[int]:
        """The last number in the name of each file, which is likely to be that of the patch."""
        return {int(re.findall("[0-9]+", path.stem)[-1]) for path in self.files}

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


def joining_code(series: Sequence[Series], root: Path) -> str:
    """Return Python that writes one file for all patches of each series below a new folder."""
    lines = [
        "Join them:",
        "",
        "import re",
        "from pathlib import Path",
        "import numpy as np",
        "",
        # As numbers, 10 is after 9, and images are in the order of their masks.
        "def by_number(file):",
        "    return [int(digits) for digits in re.findall('[0-9]+', file.name)], file.name",
        "",
    ]
    for split in dict.fromkeys(each.split for each in series):
        folder = root / split
        lines += [f"folder = Path({str(folder)!r})", "folder.mkdir(parents=True)"]
        for each in series:
            if each.split == split:
                lines += _joining_lines(each)
    return "\n".join(lines)


def _joining_lines(series: Series) -> list[str]:
    shape = f"(len(files), {', '.join(map(str, series.joined[1:]))})"
    one = "np.moveaxis(np.load(file), -1, 0)" if series.is_last else "np.load(file)"
    return [
        f"files = [f for f in Path({str(series.folder)!r}).iterdir() "
        f"if re.fullmatch({series.pattern!r}, f.name)]",
        "files.sort(key=by_number)",
        f"array = np.lib.format.open_memmap(folder / {series.name + '.npy'!r}, 'w+', "
        f"{series.dtype!r}, {shape})",
        "for k, file in enumerate(files):",
        f"    array[k] = {one}",
        "",  # the end of the loop, where this is pasted into an interpreter
        "array.flush()",
    ]
