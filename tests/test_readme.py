"""What the README shows, run on what the README says to make."""

import importlib.util
import re
from pathlib import Path

import pytest

import cloudio

README = Path(__file__).parent.parent / "README.md"

pytestmark = pytest.mark.skipif(not README.exists(), reason="the tests run without the source")


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_runs_on_a_made_up_data_set(tmp_path):
    path = tmp_path / "data"
    cloudio.synthesize(path)
    code = "\n".join(blocks()[:2]).replace('"CloudSEN12/"', repr(str(path)))
    assert str(path) in code
    names = {}
    exec(code, names)
    assert names["image"].shape == (3, 13, 224, 224)
    assert names["label"].shape == (3, 224, 224)
    assert names["batch"].image.shape == (3, 224, 224, 13)
    if importlib.util.find_spec("matplotlib"):
        (code,) = (block for block in blocks() if "cloudio.plot" in block)
        exec(code, names)
        assert len([axes for axes in names["figure"].axes if axes.images]) == 2 * 3
