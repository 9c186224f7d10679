"""A result as one HTML page: no script, no other file, every text escaped.

Bars are parts of the tables, so that they stay legible on a narrow screen; scatter and growth are
images within the page (plots.py), for narrow and wide screens, light and dark.
"""

from __future__ import annotations

from pathlib import Path

from ..suite.results import Results
from . import drawing, html, numbers, plots
from .html import text
from .scatter import scatter
from .shown import AXES, Line, Shown, curves, facts, growth, missing, suites

STYLE = Path(__file__).with_name("style.css")
KEY = """<ul class="key">
<li class="ours"><span class="swatch"><i class="bar"></i></span>cloudio</li>
<li><span class="swatch"><i class="bar"></i></span>slower than the fastest row of cloudio</li>
<li class="lost"><span class="swatch"><i class="bar"></i></span>faster: cloudio lost</li>
<li class="limits"><span class="swatch"><i class="bar"></i></span>a limit of this machine</li>
<li><span class="swatch"><i class="spread" style="width:100%"></i></span>slowest to fastest round
</li>
</ul>"""
EXPLAINED = """<p>Every answer was compared with numpy's before the clock started. Rates are
medians of rounds in fresh processes; each round has all rows, one after another. The rows are
sorted by rate. Between machines, compare ratios and not absolute numbers.</p>
<ul>
<li><b>copy limit</b>: a streaming copy of as many bytes. <b>pattern limit</b>: the barest C loop
that moves just these rows. <b>disk limit</b>: plain reads of the same pages.</li>
<li><b>speed-up of cloudio</b>: the rate of the fastest row of cloudio, divided by the rate of this
row. Below 1, cloudio lost.</li>
<li><b>CPU s/GB</b>: CPU seconds of all processes, for each GB of the batches.
<b>CPU / cloudio's</b>: these, divided by those of the fastest row of cloudio. Below 1, cloudio
lost.</li>
<li><b>waits</b>: the share of its time in which a consumer that computes waits for a batch.</li>
</ul>"""


def page(found: Results) -> str:
    """Return the whole page."""
    parts = list(suites(found))
    title = f"cloudio benchmarks, {str(found['date'])[:10]}"
    links = [(suite, heading) for suite, heading, _ in parts]
    links += [("growth", "Growth")] if growth(found) else []
    links += [("converting", "Converting"), ("missing", "Did not run"), ("versions", "Versions")]
    body = [
        _header(found, parts),
        _nav(links),
        "<main>",
        *(_suite(found, suite, heading, cases) for suite, heading, cases in parts),
        _growth(found),
        _converting(found),
        _missing(found, parts),
        _versions(found),
        "</main>",
        f"<footer><p>Made by <code>python -m benchmarks report</code> from a run of cloudio "
        f"{text(found['cloudio'])}: <code>{text(found['command'])}</code></p></footer>",
    ]
    style = STYLE.read_text(encoding="utf-8")
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>",
            '<link rel="icon" href="data:,">',
            f"<style>\n{drawing.variables()}\n{style}</style>\n</head>\n<body>",
            *filter(None, body),
            "</body>\n</html>\n",
        ]
    )


# ---- top -----------------------------------------------------------------------------------------


def _header(found: Results, parts: list[tuple[str, str, list[Shown]]]) -> str:
    told = facts(found)
    machine = "".join(f"<dt>{text(k)}</dt><dd>{text(v)}</dd>" for k, v in told.items())
    quick = (
        '<p class="warning">This was a quick run: few rounds of few batches. It shows that '
        "everything works. Do not quote its figures.</p>"
        if found.get("quick")
        else ""
    )
    cpu = next((str(v) for k, v in found["machine"].items() if k.lower() == "cpu"), "")
    when = f'<time datetime="{text(found["date"])}">{text(told["date"])}</time>'
    return f"""<header>
<p class="kicker">cloudio benchmarks &middot; {when} &middot; {text(cpu)}</p>
<h1>How fast are random crops of many bands read into training batches?</h1>
{_answer(parts)}{quick}
{_glance(parts)}
<details><summary>Machine, data and command</summary><dl>{machine}</dl></details>
<details><summary>How to read this page</summary>{EXPLAINED}</details>
{KEY}
</header>"""


def _answer(parts: list[tuple[str, str, list[Shown]]]) -> str:
    """The first case in one sentence."""
    shown = next((case for _, _, cases in parts for case in cases if case.ours), None)
    if shown is None or shown.ours is None:
        return '<p class="verdict">No row of cloudio ran.</p>'
    limit = _limits_in_words(shown.ours)
    words = f"{text(shown.title)}: cloudio reads {numbers.count(shown.ours.figures.rate)} samples/s"
    words += f", {limit}" if limit else ""
    if shown.rivals:
        best = shown.rivals[0]
        words += (
            f". That is <b>{numbers.times(best.speed_up)} times</b> the rate of the fastest "
            f"rival, {text(best.name)}"
        )
    return f'<p class="verdict">{words}.</p>'


def _limits_in_words(line: Line) -> str:
    return ", ".join(
        f"{numbers.fraction(x)} of the {kind} limit" for kind, x in line.figures.of_limits.items()
    )


def _glance(parts: list[tuple[str, str, list[Shown]]]) -> str:
    rows = []
    for suite, heading, cases in parts:
        for shown in cases:
            name = f'<a href="#{text(suite)}">{text(heading)}</a>: {text(shown.title)}'
            if (ours := shown.ours) is None:
                cells = ["-", html.words("-"), html.words("-"), "-", "-", html.words("did not run")]
                rows.append(html.row(name, cells))
                continue
            limits = "<br>".join(
                _meter(x) + f"{numbers.fraction(x)} {kind}"
                for kind, x in ours.figures.of_limits.items()
            )
            best = shown.rivals[0] if shown.rivals else None
            cells = [
                numbers.count(ours.figures.rate),
                f'<td class="meters">{limits or "-"}</td>',
                html.words(best.name if best else "-"),
                _speed_up(best) if best else "-",
                _cpu_times(best) if best else "-",
                html.words(shown.verdict),
            ]
            rows.append(html.row(name, cells))
    heads = ["case", "cloudio, samples/s", "of the limits", "fastest rival"]
    heads += ["speed\u2011up of cloudio", "CPU / cloudio's", "cloudio is"]
    return html.table(heads, rows, css="glance", label="At a glance")


def _meter(x: float) -> str:
    return f'<span class="meter" aria-hidden="true"><i style="width:{min(x, 1):.1%}"></i></span>'


def _nav(links: list[tuple[str, str]]) -> str:
    items = "".join(f'<li><a href="#{text(a)}">{text(b)}</a></li>' for a, b in links)
    return f'<nav aria-label="Parts of this page"><ul>{items}</ul></nav>'


# ---- suites --------------------------------------------------------------------------------------


def _suite(found: Results, suite: str, heading: str, cases: list[Shown]) -> str:
    title = next(str(one["title"]) for one in found["suites"] if one["suite"] == suite)
    return (
        f'<section id="{text(suite)}"><h2>{text(heading)}</h2><p>{text(title)}.</p>'
        + "".join(map(_case, cases))
        + "</section>"
    )


def _case(shown: Shown) -> str:
    case = shown.case
    n = case["n_batches"]
    about = f"{n} batch{'es' * (n != 1)} of {case['batch_size']}"
    if shown.suite == "stats":
        about = f"{n} pass{'es' * (n != 1)} over {case['batch_size']} patches"
    about += f", {case['threads']} thread" + "s" * (case["threads"] != 1)
    parts = [
        f"<h3>{text(shown.title)}</h3>",
        f'<p class="note">{text(about)}. cloudio is {text(shown.verdict or "alone")}.</p>',
    ]
    if shown.lines or shown.limits:
        parts += [_race(shown), _costs(shown)]
    if shown.missing:
        rows = "".join(
            f"<li>{text(row['name'])}: {text(row['status'])}</li>" for row in shown.missing
        )
        parts.append(
            f"<details><summary>{len(shown.missing)} did not run here</summary>"
            f'<ul class="why">{rows}</ul></details>'
        )
    if len(shown.lines) > 1:
        caption = (
            f"Rate against CPU cost, {text(shown.title)}. Up is faster, left is cheaper; both "
            "axes are logarithmic. The numbers are the places in the table above."
        )
        parts.append(html.figure(scatter(shown), caption))
    return "\n".join(parts)


def _race(shown: Shown) -> str:
    """The table of a case, whose first column has the bars."""
    waits = any(line.figures.waited is not None for line in shown.lines)
    heads = ["rank, name and rate", "samples/s", "speed\u2011up of cloudio", "CPU s/GB"]
    heads += ["CPU / cloudio's", *(["waits"] if waits else [])]
    marks = "".join(
        f'<i class="mark" style="left:{line.figures.rate / shown.most:.2%}"></i>'
        for line in shown.limits
    )
    rows = []
    for line in (*shown.limits, *shown.lines):
        f = line.figures
        cells = [
            numbers.count(f.rate),
            _speed_up(line),
            numbers.count(f.cpu_seconds_per_gb),
            _cpu_times(line),
        ]
        if waits:
            cells.append("" if f.waited is None else f"{f.waited:.0%}")
        rows.append(html.row(_bar(shown, line, marks), cells, _css(line)))
    return html.table(heads, rows, css="race", label=shown.title)


def _bar(shown: Shown, line: Line, marks: str) -> str:
    """The place, name and notes of a row, and its bar with its spread and all limits."""
    f = line.figures
    low, high = f.slowest / shown.most, f.fastest / shown.most
    notes = [line.name] if line.kind == "limit" else []
    notes += [str(line.row.get("note") or "")]
    notes += [str(line.row["answer"])] if line.row.get("answer") not in (None, "exact") else []
    note = "; ".join(filter(None, notes))
    name = text(line.label) + (f' <span class="note">{text(note)}</span>' if note else "")
    return (
        f'<div class="row"><span class="place">{line.place or ""}</span>'
        f'<span class="name">{name}</span><span class="track" aria-hidden="true">'
        f'<i class="bar" style="width:{f.rate / shown.most:.2%}"></i>'
        f'<i class="spread" style="left:{low:.2%};width:{high - low:.2%}"></i>{marks}</span></div>'
    )


def _costs(shown: Shown) -> str:
    """What the rows of a case take besides time."""
    rows = []
    for line in (*shown.lines, *shown.limits):
        f = line.figures
        cells = [numbers.times(f.cpus), numbers.size(f.pss_bytes), numbers.size(f.shm_bytes)]
        cells += [numbers.count(f.minor_faults), numbers.count(f.major_faults)]
        cells.append(numbers.size(f.read_bytes))
        rows.append(html.row(text(line.label), cells, _css(line)))
    heads = ["name", "CPUs busy", "memory (PSS)", "/dev/shm", "minor faults / sample"]
    heads += ["major faults / sample", "from the disk / sample"]
    table = html.table(heads, rows, label=f"Memory and faults, {shown.title}")
    return f"<details><summary>Memory, page faults and reads</summary>{table}</details>"


def _css(line: Line) -> str:
    return {"limit": "limits", "cloudio": "ours"}.get(line.kind, "lost" if line.beats else "")


def _speed_up(line: Line) -> str:
    if line.place is None or line.is_ours:
        return numbers.times(line.speed_up)
    words = numbers.times(line.speed_up)
    if line.beats:
        words += ' <span class="badge lost">lost</span>'
    if line.close:
        words += ' <span class="badge even">within the spread</span>'
    return words


def _cpu_times(line: Line) -> str:
    lost = ' <span class="badge lost">lost</span>' if "CPU seconds" in line.lost else ""
    return numbers.times(line.cpu_times) + lost


# ---- growth, converting, what did not run --------------------------------------------------------


def _growth(found: Results) -> str:
    axes = growth(found)
    if not axes:
        return ""
    tables = []
    for axis, cases in axes.items():
        values = [float(shown.case["value"]) for shown in cases]
        rows = []
        for name, points in curves(cases).items():
            by_value = {value: numbers.count(line.figures.gb_per_second) for value, line in points}
            kind = points[0][1].kind
            css = "ours" if kind == "cloudio" else "limits" if kind == "limit" else ""
            rows.append(html.row(text(name), [by_value.get(v, "-") for v in values], css))
        heads = [f"GB/s by {text(AXES[axis])}", *(f"{value:g}" for value in values)]
        tables.append(html.table(heads, rows, label=f"Growth with {AXES[axis]}"))
    caption = "GB of batches per second. Blue is cloudio; dashed lines are limits."
    return (
        '<section id="growth"><h2>Growth with crop, bands, batch and threads</h2>'
        + html.figure(plots.growth(axes), caption)
        + f"<details><summary>The figures as tables</summary>{''.join(tables)}</details></section>"
    )


def _converting(found: Results) -> str:
    rows = []
    for one in found["rivals"]:
        if done := one.get("convert"):
            ratio = done["bytes"] / done["source_bytes"]
            cells = [numbers.seconds(done["seconds"]), numbers.size(done["bytes"])]
            rows.append(html.row(text(one["name"]), [*cells, numbers.times(ratio)]))
    shown = (
        html.table(["rival", "time", "disk", "of the source"], rows, label="Converting")
        if rows
        else "<p>No rival that ran here converts the data.</p>"
    )
    return (
        '<section id="converting"><h2>Converting, before the first batch</h2><p>These rivals read '
        "a format of their own. The time to write it is not part of any rate above. cloudio reads "
        f"the files as they are.</p>{shown}</section>"
    )


def _missing(found: Results, parts: list[tuple[str, str, list[Shown]]]) -> str:
    rows = [
        html.row(text(name), [html.words(why), html.words("everywhere")])
        for name, why in missing(found)
    ]
    nowhere = {name for name, _ in missing(found)}
    for _, heading, cases in parts:
        for shown in cases:
            for row in shown.missing:
                if row["name"] not in nowhere:
                    cells = [html.words(row["status"]), html.words(f"{heading}: {shown.title}")]
                    rows.append(html.row(text(row["name"]), cells))
    shown = (
        html.table(["row", "why", "where"], rows, label="Did not run")
        if rows
        else "<p>All ran.</p>"
    )
    return f'<section id="missing"><h2>What did not run, and why</h2>{shown}</section>'


def _versions(found: Results) -> str:
    rows = []
    for one in found["rivals"]:
        packages = ", ".join(f"{k} {v or '-'}" for k, v in one["packages"].items())
        cells = [packages or "-", str(one["environment"]), str(one.get("note") or "")]
        file = f'<span class="note"><code>{text(one["file"])}</code></span>'
        rows.append(html.row(text(one["name"]) + file, map(html.words, cells)))
    heads = ["rival", "packages", "environment", "what to know"]
    return (
        '<section id="versions"><h2>Versions</h2>'
        + html.table(heads, rows, label="Versions")
        + "</section>"
    )
