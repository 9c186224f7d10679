"""The examples of docs/layouts.md."""

import re

import numpy as np
import pytest
from builders import pixels
from paths import ROOT
from toml_sets import toml

DOCS = ROOT / "docs" / "layouts.md"


@pytest.mark.skipif(not DOCS.exists(), reason="the tests run without the docs")
def test_the_example_of_the_docs_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", DOCS.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert [kind for kind, _ in blocks] == ["toml", "python", "python"]
    toml(tmp_path, blocks[0][1], "sen1floods11.toml")
    stored = {}
    for k, (split, n) in enumerate({"train": 2, "test": 1}.items()):
        folder = tmp_path / "sen1floods11" / split
        folder.mkdir(parents=True)
        stored[split] = {
            "S2": pixels("S2", (n, 13, 512, 512), "uint16", k),
            "S1_VV": pixels("S1_VV", (n, 512, 512), "float32", k),
            "S1_VH": pixels("S1_VH", (n, 512, 512), "float32", k),
            "label": pixels("label", (n, 512, 512), "int8", k) % 3 - 1,
        }
        for name, array in stored[split].items():
            np.save(folder / f"{name}.npy", array)
    names = {}
    exec(compile(blocks[1][1], DOCS.name, "exec"), names)
    train = stored["train"]
    middle = np.s_[[1, 0], ..., 128:384, 128:384]
    bands = [train["S2"][middle].astype("f4") * np.float32(1e-4)]
    bands += [train[name][middle][:, None] for name in ("S1_VV", "S1_VH")]
    assert np.array_equal(names["image"], np.concatenate(bands, 1), equal_nan=True)
    codes = train["label"][middle].astype(int)
    assert np.array_equal(names["label"], np.where(codes == -1, 255, codes))
    assert names["red"].tobytes() == stored["test"]["S2"][:, 3].tobytes()
    exec(compile(blocks[2][1], DOCS.name, "exec"), names)
    assert names["ds"].names == names["layout"].presets["S2"][0] + ("S1_VV", "S1_VH", "water")
