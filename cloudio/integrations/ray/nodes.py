"""On which nodes of a cluster tasks run."""

from typing import Any

from ..._utils.text import shown
from ...errors import RequestError


def check_selector(label_selector: Any) -> dict[str, Any]:
    """Return the options of a task for nodes with some labels; none if None is given."""
    if label_selector is None:
        return {}
    is_dict = isinstance(label_selector, dict) and label_selector
    if not is_dict or not all(isinstance(x, str) for pair in label_selector.items() for x in pair):
        raise RequestError(
            f"label_selector={shown(label_selector)}; label_selector must be a dict of labels, "
            "such as {'files': 'here'}"
        )
    return {"label_selector": label_selector}
