"""Figures as files."""

import pytest
from figures import png_size

pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from matplotlib.figure import Figure

from cloudio import RequestError, plot


def test_save_replaces_a_file_only_when_forced(small, tmp_path):
    figure = plot.patch(small[1], 0)
    path = tmp_path / "x.png"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"x\.png exists already; force=True or --force"):
        plot.save(figure, path)
    assert path.read_text() == "mine"
    plot.save(figure, path, force=True)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("inches", "dpi"), [((8, 4), 200), ((4, 80), 125), ((200, 4), 100)])
def test_a_file_has_more_dots_than_the_screen_except_for_large_sheets(tmp_path, inches, dpi):
    plot.save(Figure(figsize=inches), tmp_path / "x.png")
    size = png_size((tmp_path / "x.png").read_bytes())
    assert size == (inches[0] * dpi, inches[1] * dpi)


def test_what_is_no_figure_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"figure is of type int; .* cloudio.plot.patch returns"):
        plot.save(1, tmp_path / "x.png")
