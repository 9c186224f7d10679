"""What the README shows, run on what the README says to make."""

import importlib.util
import re

import pytest
from paths import ROOT

import cloudio

README = ROOT / "README.md"

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
    statistics = next(block for block in blocks() if "cloudio.stats" in block)
    exec(statistics, names)
    assert names["weight"].shape == (4,)
    assert abs(names["reader"].read([0]).image.mean()) < 2
    assert names["cloud"].matrix.shape == (2, 2)


def test_the_example_of_verify_runs_on_a_made_up_data_set(tmp_path):
    (code,) = (block for block in blocks() if "cloudio.verify(" in block)
    path = tmp_path / "data"
    cloudio.synthesize(path, {"train": 2, "val": 1}, arrays=["L1C_B2", "LABEL_qa60"])
    names = {"cloudio": cloudio}
    exec(code.replace('"CloudSEN12/"', repr(str(path))), names)
    assert {finding.check for finding in names["report"].findings} == {"label-zeros"}
    assert names["leaks"] == []


def test_splits_are_made_as_it_says(tmp_path, capsys):
    cloudio.synthesize(tmp_path / "data", {"train": 60, "val": 6}, arrays=["LABEL_qa60"])
    (code,) = (block for block in blocks() if "make_splits" in block)
    names = {"cloudio": cloudio, "ds": cloudio.open(tmp_path / "data")}
    exec(code, names)
    assert "66 patches in" in capsys.readouterr().out
    assert 0 < len(names["cloudy"]) < 30
    assert len(names["train"]) == len(names["splits"]["train"])


def test_the_readme_trains(tmp_path):
    cloudio.synthesize(tmp_path / "data", {"train": 3}, arrays=["L1C_B2", "LABEL_manual_hq"])
    (code,) = (block for block in blocks() if "cloudio.Loader" in block)
    seen = []
    reader = cloudio.open(tmp_path / "data").reader("L1C_B2", "manual_hq", size=64)
    names = {"cloudio": cloudio, "reader": reader}
    exec(code, names | {"train_step": lambda image, label: seen.append(len(image))})
    assert sum(seen) == 3
