"""docs/guides/your-data.md: what its example reads is what its files hold."""

import re

import numpy as np
import pytest
from builders import pixels
from pages import blocks
from paths import ROOT
from toml_sets import toml

PAGE = ROOT / "docs" / "guides" / "your-data.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the tests run without the docs")
def test_the_example_reads_what_the_files_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = blocks(PAGE.read_text("utf-8"))
    (layout,) = (block for block in found if block.language == "toml")
    toml(tmp_path, layout.code, layout.title)
    _, read, in_python = (
        compile(block.code, PAGE.name, "exec")
        for block in found
        if block.language == "python" and not re.search("rasterio|h5py", block.code)
    )
    stored = {}
    for k, (split, n) in enumerate({"train": 2, "test": 1}.items()):
        folder = tmp_path / "floods" / split
        folder.mkdir(parents=True)
        stored[split] = {
            "S2": pixels("S2", (n, 13, 512, 512), "uint16", k),
            "S1_VV": pixels("S1_VV", (n, 512, 512), "float32", k),
            "S1_VH": pixels("S1_VH", (n, 512, 512), "float32", k),
            "label": pixels("label", (n, 512, 512), "int8", k) % 3 - 1,
        }
        for name, array in stored[split].items():
            np.save(folder / f"{name}.npy", array)
    names = {"np": np}
    exec(read, names)
    train = stored["train"]
    middle = np.s_[[1, 0], ..., 128:384, 128:384]
    bands = [train["S2"][middle].astype("f4") * np.float32(1e-4)]
    bands += [train[name][middle][:, None] for name in ("S1_VV", "S1_VH")]
    assert np.array_equal(names["image"], np.concatenate(bands, 1), equal_nan=True)
    codes = train["label"][middle].astype(int)
    assert np.array_equal(names["label"], np.where(codes == -1, 255, codes))
    assert names["red"].tobytes() == stored["test"]["S2"][:, 3].tobytes()
    exec(in_python, names)
    assert names["ds"].names == names["layout"].presets["S2"][0] + ("S1_VV", "S1_VH", "water")
