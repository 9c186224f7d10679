"""Figures as files."""

import pytest
from figures import png_size

pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from cloudio import plot


def test_save_replaces_a_file_only_when_forced(small, tmp_path):
    figure = plot.patch(small[1], 0)
    path = tmp_path / "x.png"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"x\.png exists already; force=True or --force"):
        plot.save(figure, path)
    assert path.read_text() == "mine"
    plot.save(figure, path, force=True)
    assert png_size(path.read_bytes()) == png_size(figure._repr_png_())
