"""Why a file or folder is refused: what `cloudio.open` raises, and what `cloudio.verify` lists."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import LayoutError, error_reason


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Why a file or folder is refused: ``error`` is what `cloudio.open` raises.

    ``kind`` says what is wrong with ``path``: one of the checks in verification/checks.py.
    ``patches`` are those that the file does not hold whole; ``arrays`` those that it was to hold.
    """

    kind: str
    path: Path
    error: LayoutError | OSError
    patches: range = range(0)
    arrays: tuple[str, ...] = ()
    split: str = ""

    @property
    def reason(self) -> str:
        """The message of the error, without ``path``."""
        return error_reason(self.error)
