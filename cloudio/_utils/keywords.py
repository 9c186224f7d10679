"""What a call says about keyword arguments that a function does not have."""

import functools
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

from .text import suggest

P = ParamSpec("P")
R = TypeVar("R")


def explain_unknown(
    replaced: Mapping[str, str] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function say what replaces a keyword that it does not have.

    ``replaced`` maps such keywords to what to do; for others the most similar name is suggested.
    The error is Python's own TypeError.
    """
    hints = replaced or {}

    def decorate(called: Callable[P, R]) -> Callable[P, R]:
        code = called.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        positional, named = names[: code.co_argcount], names[code.co_argcount :]
        public = [name for name in names if name != "self"]

        @functools.wraps(called)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            is_init = called.__name__ == "__init__" and args
            what = type(args[0]).__name__ if is_init else called.__name__
            for name in kwargs:
                if name not in names:
                    hint = f"; {hints[name]}" if name in hints else suggest(name, public)
                    raise TypeError(f"{what}() got an unexpected keyword argument {name!r}{hint}")
            if named and len(args) > len(positional):
                known = ", ".join(name for name in positional if name != "self")
                raise TypeError(
                    f"{what}() takes {known} without a name; name the other arguments, such as "
                    f"{named[0]}={args[len(positional)]!r}"
                )
            return called(*args, **kwargs)

        return checked

    return decorate
