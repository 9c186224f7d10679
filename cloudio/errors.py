"""Everything cloudio raises or warns of on its own.

IndexError for a patch number out of range and OSError for what the system refuses are Python's.
"""


class CloudioError(Exception):
    """Anything cloudio has to say."""


class LayoutError(CloudioError, ValueError):
    """The files of a data set do not fit together, or not the layout they should have."""


class RequestError(CloudioError, ValueError):
    """A call asks for what there is not; nothing was written."""


class TruncatedError(CloudioError, OSError):
    """A file holds less than when it was opened."""


class CloudioWarning(UserWarning):
    """Numbers may not be what they look like: said once per process, data set and matter."""
