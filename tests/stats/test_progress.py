"""Progress counts every byte of every pass."""

from cloudio import stats


def test_progress_counts_every_byte(data, monkeypatch, capsys):
    ds, _ = data
    told = []

    class Bar:
        def __init__(self, **settings):
            self.total, self.update = settings["total"], told.append

        def __enter__(self):
            told.append(-self.total)
            return self

        def __exit__(self, *_):
            return None

    monkeypatch.setattr("tqdm.tqdm", Bar)
    stats.bands(ds, ["i16", "f32", "i16", "i16"], scale=[1, 2, 1, 3], progress=True)
    assert sum(told) == 0 < max(told)
    stats.classes(ds, {"hq": "card", "wide": None}, progress=True)
    assert sum(told) == 0
    stats.agreement(ds, ["found", "half"], "hq", progress=True)
    assert sum(told) == 0
    assert capsys.readouterr() == ("", "")
