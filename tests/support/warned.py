"""The warnings that a call gives."""

import warnings

from cloudio import CLOUDSEN12, CloudioWarning

LABELS = [band.name for band in CLOUDSEN12.bands if band.kind == "label"]
SHORT = [name.removeprefix("LABEL_") for name in LABELS]


def warnings_and_result(call):
    """The warnings of a call, and what it returns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    assert all(each.category is CloudioWarning for each in caught)
    # The line shown is the one that called into the package.
    assert {each.filename for each in caught} <= {call.__code__.co_filename}
    return [str(each.message) for each in caught], result


def warned(call):
    """The warnings of a call."""
    return warnings_and_result(call)[0]
