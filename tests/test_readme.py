"""What the README shows, run on what the README says to make."""

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


def test_the_example_of_verify_runs_on_a_made_up_data_set(tmp_path):
    (code,) = (block for block in blocks() if "cloudio.verify(" in block)
    path = tmp_path / "data"
    cloudio.synthesize(path, {"train": 2, "val": 1}, arrays=["L1C_B2", "LABEL_qa60"])
    names = {"cloudio": cloudio}
    exec(code.replace('"CloudSEN12/"', repr(str(path))), names)
    assert {finding.check for finding in names["report"].findings} == {"label-zeros"}
    assert names["leaks"] == []
