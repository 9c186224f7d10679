"""Names of splits, which become folders of the data set."""

from collections.abc import Iterable

from .._utils.text import shown
from ..errors import RequestError
from ..storage.listing import SPLITS, can_name_split, split_name

# Bytes of a name that every file system takes.
_MOST_BYTES = 200
# What is a file beside the splits.
_FILES = "cloudio.toml", "manifest.json", "metadata.csv"


def split_rank(split: str) -> int:
    """Return what orders splits as people have them: train, val, test, and then all others."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)


def check_split(split: object) -> None:
    """Raise RequestError if that cannot name a split."""
    if not (
        isinstance(split, str)
        and can_name_split(split)
        and len(split.encode("utf-8")) <= _MOST_BYTES
        and split.lower() not in _FILES
    ):
        raise RequestError(
            f"split={shown(split)}; it must be the name of a folder, without / or a leading dot"
        )


def check_splits(splits: Iterable[object]) -> None:
    """Raise RequestError if these cannot be the splits of one data set."""
    folders: dict[str, object] = {}
    names: dict[str, object] = {}
    for split in splits:
        check_split(split)
        own = str(split)
        for key, known in ((own.casefold(), folders), (split_name(own), names)):
            if (other := known.setdefault(key, split)) != split:
                raise RequestError(
                    f"there are the splits {shown(other)} and {shown(split)}, which would be one "
                    "split of the data set; rename one"
                )
