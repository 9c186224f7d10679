"""The folder of a run that is not finished: ``DEST.packing``, with the journal and the data."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from ..._utils.files import check_new_folder, move_folder
from ..._utils.paths import exists, remove_folder
from ...errors import CloudioError, RequestError, WriteError, write_error
from .journal import JOURNAL


class RunState(Protocol):
    """What a journal tells of a run: how much is done, and which parts of the end have begun."""

    @property
    def n_done(self) -> int: ...

    @property
    def phases(self) -> Collection[str]: ...

    def close(self) -> None:
        """Close the journal."""


S = TypeVar("S", bound=RunState)


def unfinished_folder(dest: Path) -> Path:
    """Return where a run writes until it is finished."""
    return dest.with_name(f"{dest.name}.packing")


def data_folder(dest: Path) -> Path:
    """Return the folder that becomes ``dest``."""
    return unfinished_folder(dest) / "data"


@contextmanager
def open_run(dest: Path, open_state: Callable[[Path, bool], S], *, resume: bool) -> Iterator[S]:
    """Give the state of a new run, or of the one to resume.

    ``open_state`` makes it of the folder with the journal, and of whether the run is new.
    After an error what has been packed stays, to be resumed; nothing stays if nothing was packed.
    Errors of the system in the block are WriteErrors about ``dest``.
    """
    folder = unfinished_folder(dest)
    with _write_errors(dest):
        check_new_folder(dest)
        new = not (folder / JOURNAL).exists()
        if not new and not resume:
            raise RequestError(
                f"{folder} is an unfinished run; resume=True (--resume) goes on with it, or remove "
                "it to begin anew",
                path=folder,
            )
        if new:
            _check_empty(folder)
        data_folder(dest).mkdir(parents=True, exist_ok=True)
        try:
            state = open_state(folder, new)
        except FileExistsError:
            raise RequestError(f"{folder} is being made by another process", path=folder) from None
        try:
            yield state
        except BaseException:
            if state.n_done == 0 and not state.phases:
                remove_folder(folder)
            raise
        finally:
            state.close()


def _check_empty(folder: Path) -> None:
    """Raise RequestError if a folder without a journal has files: a finished run would remove it.

    A run that was killed at its begin leaves an empty folder of data.
    """
    if not exists(folder):
        return
    found = [*folder.iterdir()] if folder.is_dir() else [folder]
    data = folder / "data"
    if any(path != data or not path.is_dir() or any(path.iterdir()) for path in found):
        raise RequestError(
            f"{folder} exists and is no unfinished run: it has no journal. Move it away, or give "
            "another destination",
            path=folder,
        )


def appear(dest: Path) -> None:
    """Give the finished data their name, and remove what else the run has written."""
    move_folder(data_folder(dest), dest)
    remove_folder(unfinished_folder(dest))


@contextmanager
def _write_errors(dest: Path) -> Iterator[None]:
    try:
        yield
    except WriteError as error:
        if error.path is None or unfinished_folder(dest) not in error.path.parents:
            raise
        raise write_error(error.errno or 0, error.reason or str(error), dest) from None
    except CloudioError:
        raise
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise write_error(error.errno or 0, reason, dest) from None
