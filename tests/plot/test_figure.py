"""A whole figure: the page, what is refused, and what is left alone."""

import re

import numpy as np
import processes
import pytest
from builders import SMALL
from figures import (
    INSIDE,
    VALID,
    legend_texts,
    panel_pixels,
    png_size,
    reflectance,
    texts,
    true_color,
)

import cloudio
from cloudio import Band, Layout, RequestError, Window

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is an extra")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

from cloudio import plot  # noqa: E402
from cloudio.plot import colors  # noqa: E402

# ---- the window ----------------------------------------------------------------------------------


def test_the_whole_patch_is_shown_with_its_window_outlined(small):
    arrays, ds = small
    figure = plot.patch(ds, 1, labels="hq", window=True, overlay=None)
    panel = panel_pixels(figure, 0)
    assert panel.shape == (*SMALL.patch, 3)
    assert np.array_equal(panel[VALID], true_color(arrays, 1))
    assert np.all(panel[~INSIDE] == colors.NO_DATA)
    assert np.array_equal((panel_pixels(figure, 1) == colors.NO_DATA).all(-1), ~INSIDE)
    for axes in figure.axes:
        (outline,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
        assert (*outline.get_xy(), outline.get_width(), outline.get_height()) == (1.5, 0.5, 41, 35)
    assert legend_texts(figure)[-2:] == ["no data", "valid window"]


def test_axes_count_pixels_of_the_stored_patch(small):
    for window, extent in ((False, (1.5, 42.5, 35.5, 0.5)), (True, (-0.5, 47.5, 39.5, -0.5))):
        image = plot.patch(small[1], 0, window=window).axes[0].images[0]
        assert tuple(image.get_extent()) == extent
        assert image.origin == "upper"
        assert image.get_interpolation() == "nearest"


# ---- the page ------------------------------------------------------------------------------------


def test_headings_say_which_patch_it_is_wherever_it_is_found(small):
    ds = small[1]
    roi, date = (ds.metadata[name][4] for name in ("roi_id", "s2_date"))
    assert f"{roi}, {date}" in texts(plot.patch(ds, 4))
    assert "[4] val 1" in texts(plot.patch(ds, -1))
    assert "[1] val 1" in texts(plot.patch(ds.split("val"), 1))
    picked = ds.subset([4, 2, 3])
    said = texts(plot.patch(picked, [0, 1]))
    assert said[:4:2] == ["[0] val 1", "[1] train 2"]
    assert said[1] == f"{roi}, {date}"
    assert np.array_equal(panel_pixels(plot.patch(picked, 0)), panel_pixels(plot.patch(ds, 4)))
    assert picked.locate([0, -1, 1]) == [("val", 1), ("val", 0), ("train", 2)]


EVERY_BAND = [band.name for band in SMALL.bands if band.kind == "band"]


@pytest.mark.parametrize(
    ("n_bands", "sides"), [(4, (4, 1)), (5, (5, 1)), (6, (3, 2)), (9, (5, 2)), (11, (4, 3))]
)
def test_more_than_five_panels_are_a_grid(small, n_bands, sides):
    figure = plot.patch(small[1], 0, bands=EVERY_BAND[:n_bands])
    panels = [axes.get_position() for axes in figure.axes if axes.images]
    assert len(panels) == n_bands
    corners = [(round(-x.y1, 6), round(x.x0, 6)) for x in panels]
    assert (len({x for _, x in corners}), len({y for y, _ in corners})) == sides
    assert corners == sorted(corners)
    bars = [axes.get_position() for axes in figure.axes if not axes.images]
    assert len(bars) == n_bands  # below each


def overlaps(one, other):
    return min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and (
        min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    )


@pytest.mark.parametrize(
    ("n", "options"),
    [
        (1, {}),
        (5, {}),
        (5, {"columns": 2, "labels": "hq"}),
        (2, {"labels": {"hq": "card", "percent": None, "sc": None}, "window": True}),
        (3, {"bands": ["rgb", "S1_VV", "EXTRA_depth"], "stretch": "patch", "labels": ["hq"]}),
        (1, {"bands": EVERY_BAND, "labels": ["hq", "percent"]}),
        (3, {"bands": EVERY_BAND, "labels": {"sc": None}, "columns": 2}),
    ],
)
def test_nothing_on_the_page_is_cut_or_covered(small, n, options):
    figure = plot.patch(small[1], range(n), **options)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, page = canvas.get_renderer(), figure.bbox
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes if axes.images]
    boxes += [axes.get_tightbbox(renderer) for axes in figure.axes if not axes.images]
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    for k, box in enumerate(boxes):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1
        assert page.y0 <= box.y0 <= box.y1 <= page.y1
        assert not any(overlaps(box, other) for other in boxes[:k])


def test_names_are_drawn_as_they_are(small):
    names = ["$x^2$", "_thick_", "two\nlines", "\x1b[31mred"]
    figure = plot.patch(small[1], 0, labels="hq", classes=names, overlay=None)
    shown = ["$x^2$", "_thick_", r"two\nlines", r"\x1b[31mred", "ignore"]
    assert legend_texts(figure) == shown
    drawn = [text for legend in figure.legends for text in legend.get_texts()]
    drawn += [*figure.texts, *(axes.title for axes in figure.axes)]
    drawn += [axes._left_title for axes in figure.axes]
    assert not any(text.get_usetex() or text.get_parse_math() for text in drawn if text.get_text())
    FigureCanvasAgg(figure).draw()


def test_a_name_in_the_data_is_drawn_as_it_is(tmp_path):
    band = Band("ca$h_$now", file="x.dat", unit="$m$\n")
    layout = Layout("Own", (40, 48), Window(0, 0, 40, 48), (band,))
    np.arange(1920, dtype="<i2").tofile(tmp_path / "x.dat")
    (tmp_path / "metadata.csv").write_text("roi_id,date\n$a_1$,2020\n")
    figure = plot.patch(cloudio.open(tmp_path, layout=layout), 0, bands="ca$h_$now")
    assert {"ca$h_$now", "$a_1$, 2020", r"$m$\n"} <= {*texts(figure)}
    labels = [axes.xaxis.label for axes in figure.axes if not axes.images]
    drawn = [*figure.texts, *labels, *(axes._left_title for axes in figure.axes)]
    assert not any(text.get_parse_math() for text in drawn if text.get_text())
    FigureCanvasAgg(figure).draw()


def test_a_figure_or_a_part_of_one_can_be_drawn_into(small):
    arrays, ds = small
    whole = Figure(figsize=(8, 4))
    left, right = whole.subfigures(1, 2)
    assert plot.patch(ds, 0, figure=left) is left
    plot.patch(ds, 1, figure=right, labels="hq")
    assert np.array_equal(panel_pixels(left), true_color(arrays, 0))
    assert len(right.axes) == 2
    FigureCanvasAgg(whole).draw()
    assert left.axes[0].get_window_extent().x1 <= 400 <= right.axes[0].get_window_extent().x0
    with pytest.raises(RequestError, match=r"the figure is 0.2 x 4.0 inches; 1 x 1 panels need"):
        plot.patch(ds, 0, figure=Figure(figsize=(0.2, 4)))


def test_a_notebook_shows_the_figure(small):
    figure = plot.patch(small[1], 0)
    width, height = png_size(figure._repr_png_())
    assert (width, height) == tuple(int(inches * figure.dpi) for inches in figure.get_size_inches())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": []}, "index has 0 patches; a figure can show 1 to 100"),
        ({"index": [0] * 101}, "index has 101 patches"),
        ({"index": True}, "index has dtype bool; it must hold whole numbers"),
        ({"bands": []}, "bands=[]; bands must be a preset"),
        ({"bands": 3}, "bands=3; bands must be a preset"),
        ({"bands": ["rgb", ("L1C_B2", "L1C_B3")]}, "a panel must be one band or three"),
        ({"bands": "B99"}, "no band or preset 'B99'"),
        ({"labels": "nope"}, "no array 'nope'"),
        (
            {"labels": {"hq": "nobody"}},
            "LABEL_hq has no policy 'nobody'; its policies: 'card', 'authors'. Give one of",
        ),
        ({"labels": "S1_VV"}, "S1_VV is stored as float32; a label must hold whole numbers"),
        ({"window": 1}, "window=1; window must be True or False"),
        ({"stretch": "much"}, "stretch='much'; stretch must be 'fixed', 'patch' or (low, high)"),
        ({"stretch": (1, 0)}, "stretch=(1, 0); stretch must be 'fixed'"),
        ({"stretch": (0, float("nan"))}, "stretch=(0, nan); stretch must be 'fixed', 'patch'"),
        ({"overlay": 1.5}, "overlay=1.5; overlay must be from 0 to 1, or None"),
        ({"classes": "clear"}, "classes='clear'; classes must be a sequence of names"),
        ({"columns": 0}, "columns=0; columns must be a whole number, 1 or more"),
        ({"figure": "me"}, "figure='me'; figure must be a matplotlib Figure or SubFigure"),
    ],
)
def test_what_cannot_be_shown_is_refused(small, options, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        plot.patch(small[1], **{"index": 0} | options)


def test_a_patch_that_is_not_there_is_refused(small):
    with pytest.raises(IndexError, match=r"index\[0\] = 5; there are 5 patches"):
        plot.patch(small[1], 5)


# ---- without matplotlib, and without pyplot ------------------------------------------------------


def run(code, *arguments):
    """Code in a Python of its own, in which `ds` is the data set of the tests."""
    opened = """
import sys
import cloudio
assert "matplotlib" not in sys.modules
from builders import SMALL
ds = cloudio.open(sys.argv[1], layout=SMALL)
"""
    done = processes.run(
        processes.python(opened + code, *arguments, flags=["-W", "error"]),
        env=processes.environment(),
    )
    assert done.returncode == 0, done.stderr
    return done


def test_pyplot_and_the_users_settings_are_left_alone(small):
    code = """
import matplotlib
def settings():  # to get the backend, matplotlib would import pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
cloudio.plot.patch(ds, 0, bands=["rgb", "S1_VV"], labels="hq", window=True)._repr_png_()
assert "matplotlib.pyplot" not in sys.modules
assert settings() == before
"""
    run(code, small[1].path)


def test_a_missing_matplotlib_is_one_sentence(small):
    code = """
sys.modules["matplotlib"] = None
try:
    cloudio.plot
except ImportError as error:
    print(error)
print(repr(ds) != "")
from cloudio.cli import main
print(main(["show", sys.argv[1], "--index", "0", "-o", sys.argv[1] + "/x.png"]))
"""
    done = run(code, small[1].path)
    sentence = "cloudio.plot needs matplotlib: pip install 'cloudio[plot]'"
    assert done.stdout.splitlines() == [sentence, "True", "2"]
    assert done.stderr == f"cloudio: {sentence}\n"
    assert not (small[1].path / "x.png").exists()


# ---- the real data -------------------------------------------------------------------------------


def test_real_patches_lie_as_they_are_stored(mini):
    figure = plot.patch(mini, 3, bands=["rgb", "S1_VV"], labels=["manual_hq"], overlay=None)
    val = mini.split("val")
    planes = [reflectance(val[name][0, 1:510, 1:510]) for name in ("B4", "B3", "B2")]
    assert np.array_equal(panel_pixels(figure, 0), np.stack(planes, axis=-1))
    # The stripe of -99 is in columns 1..60.
    gone = (panel_pixels(figure, 1) == colors.NO_DATA).all(-1)
    assert gone[:, :60].all()
    assert not gone[:, 60:].any()
    classes = np.array(colors.CLASS_COLORS)[val["manual_hq"][0, 1:510, 1:510]]
    assert np.array_equal(panel_pixels(figure, 2), classes)


def test_real_probabilities_are_shown_as_such_and_codes_by_their_map(mini):
    figure = plot.patch(mini, [0, 5], labels=["s2cloudless", "cd_fcnn_rgbi", "kappamask_L1C"])
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.images]
    assert titles[1:4] == [
        "LABEL_s2cloudless, probability",
        "LABEL_cd_fcnn_rgbi, probability",
        "LABEL_kappamask_L1C, card",
    ]
    marks = [axes.lines[-1].get_xdata()[0] for axes in figure.axes if not axes.images]
    assert marks == [40, 50]
    assert "ignore" in legend_texts(figure)  # code 5 of KappaMask
