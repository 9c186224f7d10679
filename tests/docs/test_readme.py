"""What the README shows, run on what the README says to make."""

import importlib.util
import re
import warnings

import numpy as np
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


def test_the_page_about_metadata_runs_from_top_to_bottom(tmp_path, capsys, monkeypatch):
    arrays = ["L1C_B2", "L1C_B3", "L1C_B4", "LABEL_manual_hq"]
    cloudio.synthesize(tmp_path / "data", {"train": 24, "val": 6}, arrays=arrays)
    monkeypatch.chdir(tmp_path)
    page = README.parent / "docs" / "guides" / "split.md"
    code = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ds = cloudio.open("data")
    names = {"cloudio": cloudio, "np": np, "ds": ds}
    exec("\n".join(code), names)
    assert capsys.readouterr().out.startswith("split ")
    assert np.array_equal(names["hard"].metadata["difficulty"] > 3, np.ones(len(names["hard"])))
    assert set(names["cloudy"].metadata["land_cover"].tolist()) <= {20, 30}
    assert {str(day)[:7] for day in names["june"].metadata["s2_date"]} == {"2020-06"}
    assert np.isnan(names["unrated"].metadata["difficulty"]).all()
    assert len(names["unrated"]) == np.isnan(ds.metadata["difficulty"]).sum()
    assert sum(map(len, names["splits"].values())) == 30
    assert len(names["splits"].strata) > 1


def test_the_page_about_statistics_prints_what_it_shows(tmp_path, capsys, monkeypatch):
    labels = ["manual_hq", "sen2cor", "fmask", "s2cloudless"]
    arrays = ["L1C_B4", "L1C_B3", "L1C_B2", "S1_VV", "S1_VH", "S1_angle"]
    arrays += [f"LABEL_{name}" for name in labels]
    cloudio.synthesize(tmp_path / "data", {"train": 8, "val": 2, "test": 2}, arrays=arrays)
    monkeypatch.chdir(tmp_path)
    page = (README.parent / "docs" / "guides" / "normalize.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 3
    names = {"cloudio": cloudio}
    for code, printed in examples:
        exec(code, names)
        assert capsys.readouterr().out == printed


def test_the_page_about_training_runs_from_top_to_bottom(tmp_path, monkeypatch):
    arrays = ["L1C_B2", "L1C_B3", "L1C_B4", "LABEL_manual_hq"]
    cloudio.synthesize(tmp_path / "CloudSEN12", {"train": 10, "val": 3}, arrays=arrays)
    monkeypatch.chdir(tmp_path)
    page = (README.parent / "docs" / "guides" / "train.md").read_text(encoding="utf-8")
    seen = []
    names = {"work": lambda image, label: seen.append((image.shape, label.shape))}

    def run(block):
        seen.clear()
        exec(block, names)
        return seen

    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    first, samples, stopped, ranks, val, loader, workers = code
    crop = [((n, 3, 224, 224), (n, 224, 224)) for n in (4, 4, 2)]
    assert run(first) == crop * 3
    run(samples)
    assert np.array_equal(names["batch"].index, names["samples"].index)
    assert run(stopped) == [*crop[:1], ((6, 3, 224, 224), (6, 224, 224))]
    run(ranks)
    assert [loader.rank for loader in names["loaders"]] == [0, 1]
    assert run(val) == [((2, 3, 512, 512), (2, 512, 512))]
    if importlib.util.find_spec("torch"):
        assert run(loader) == crop
        with warnings.catch_warnings():  # of a process with threads that forks
            warnings.simplefilter("ignore", DeprecationWarning)
            assert run(workers) == crop * 2
            del names["batches"]  # and its workers


def test_the_readme_trains(tmp_path):
    cloudio.synthesize(tmp_path / "data", {"train": 3}, arrays=["L1C_B2", "LABEL_manual_hq"])
    (code,) = (block for block in blocks() if "cloudio.Loader" in block)
    seen = []
    reader = cloudio.open(tmp_path / "data").reader("L1C_B2", "manual_hq", size=64)
    names = {"cloudio": cloudio, "reader": reader}
    exec(code, names | {"train_step": lambda image, label: seen.append(len(image))})
    assert sum(seen) == 3
