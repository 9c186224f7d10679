"""Synthetic metadata.csv: the columns of the release, and rows that fit together."""

from datetime import date

import numpy as np
import pytest
from synthetic import metadata_rows, valid_pixels

from cloudio import synthesize

COLUMNS = [
    "index", "annotator_name", "roi_id", "s2_id_gee", "s2_id", "s2_date", "s2_sen2cor_version",
    "s2_fmask_version", "s2_cloudless_version", "s2_reflectance_conversion_correction",
    "s2_aot_retrieval_accuracy", "s2_water_vapour_retrieval_accuracy", "s2_view_off_nadir",
    "s2_view_sun_azimuth", "s2_view_sun_elevation", "s1_id", "s1_date",
    "s1_grd_post_processing_software_name", "s1_grd_post_processing_software_version",
    "s1_slc_processing_facility_name", "s1_slc_processing_software_version", "s1_radar_coverage",
    "land_cover", "label_type", "cloud_coverage", "test", "difficulty", "proj_epsg",
    "proj_geometry", "proj_shape", "proj_centroid", "proj_transform", "test_sr",
]  # fmt: skip


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """metadata.csv of splits of several places each."""
    path = tmp_path_factory.mktemp("tables") / "made"
    synthesize(path, {"train": 23, "val": 6, "test": 11}, arrays=["LABEL_qa60"])
    return {split: metadata_rows(path, split) for split in ("train", "val", "test")}


def test_it_has_the_columns_of_the_release_in_their_order(tables):
    assert len(COLUMNS) == 33
    assert all(list(table[0]) == COLUMNS for table in tables.values())


def test_index_is_unique_and_not_the_row(tables):
    index = [int(row["index"]) for table in tables.values() for row in table]
    assert len(set(index)) == len(index) == 40
    for table in tables.values():
        numbers = [int(row["index"]) for row in table]
        assert all(k != number for k, number in enumerate(numbers))
        assert numbers != sorted(numbers)


def test_a_place_is_seen_on_five_dates_and_a_scene_in_two_places(tables):
    table = tables["train"]
    places = [row["roi_id"] for row in table]
    assert [places.count(place) for place in dict.fromkeys(places)] == [5, 5, 5, 5, 3]
    for place in places:
        dates = [row["s2_date"] for row in table if row["roi_id"] == place]
        assert len(set(dates)) == len(dates)
    shared = {row["s2_id"]: set() for row in table}
    for row in table:
        shared[row["s2_id"]].add(row["roi_id"])
    assert sorted(map(len, shared.values())) == [1] * 19 + [2] * 2


@pytest.mark.parametrize("column", ["roi_id", "s2_id", "s2_id_gee", "s1_id"])
def test_no_place_and_no_scene_is_in_two_splits(tables, column):
    seen = {split: {row[column] for row in table} for split, table in tables.items()}
    assert len(set.union(*seen.values())) == sum(map(len, seen.values()))


def test_what_a_scene_says_is_the_same_in_both_places(tables):
    first, second = tables["train"][0], tables["train"][5]
    assert first["roi_id"] != second["roi_id"]
    assert first["proj_geometry"] != second["proj_geometry"]
    for column in COLUMNS[3:15]:
        assert first[column] == second[column]


def test_fields_with_commas_are_quoted(whole):
    text = (whole / "train" / "metadata.csv").read_text(encoding="utf-8")
    assert text.count('"POLYGON ((') == text.count('"[10, 0, ') == 4
    assert "\r" not in text


def test_difficulty_is_sometimes_empty(tables):
    given = {row["difficulty"] for row in tables["train"]}
    assert "" in given
    assert given - {""} <= set("12345")


def test_dates_and_numbers_are_plausible(tables):
    for split, table in tables.items():
        for row in table:
            assert 2018 <= date.fromisoformat(row["s2_date"]).year <= 2020
            assert 2018 <= date.fromisoformat(row["s1_date"]).year <= 2020
            assert row["s2_id"][11:19] == row["s2_date"].replace("-", "")
            assert 32601 <= int(row["proj_epsg"]) <= 32760
            assert 20 < float(row["s2_view_sun_elevation"]) < 75
            assert row["proj_shape"] == "509"
            assert int(row["test"]) == (split == "test")
    skies = [row["cloud_coverage"] for row in tables["train"][:5]]
    assert len(set(skies)) == 5


def test_cloud_coverage_is_what_the_labels_show(labels):
    clouds = np.isin(valid_pixels(labels, "LABEL_manual_hq"), (1, 2)).mean(axis=(1, 2))
    recorded = [row["cloud_coverage"] for row in metadata_rows(labels, "train")]
    assert max(clouds[k] for k in range(7) if recorded[k] == "cloud-free") == 0
    assert clouds[recorded.index("cloudy")] == clouds.max()
