"""What a finding says."""

import numpy as np
import pytest
from clean import verify_tiny
from defects import PLANTED
from planting import ALL, INNER, edit


def message_of(path, planted, **options):
    plant, _, own = PLANTED[planted]
    plant(path)
    return verify_tiny(path, **own, **options).findings[0].message


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        (
            "a_file_is_cut",
            "holds 24,476 bytes, but metadata.csv has 3 rows, and 3 patches of 64 x 64 are 24,576 "
            "bytes (int16) or 49,152 (float32)",
        ),
        (
            "a_file_is_cut_and_nothing_else_counts_the_patches",
            "9 of 10 files have 3 patches, and 3 patches of 64 x 64 are",
        ),
        ("metadata_has_a_row_too_few", "2 rows; the files hold 3 patches"),
        ("the_padding_of_an_array_is_elsewhere", "lie at rows 0..60, columns 0..60; the layout "),
        ("the_padding_of_an_array_is_elsewhere", "says rows 1..61, columns 1..61"),
        ("all_patches_of_a_split_have_less_than_the_valid_window", "lie at rows 1..39, columns 1"),
        ("the_padding_is_255", "the padding is 255"),
        ("a_label_holds_7", "7: 2 pixels (0.0179%)"),
        ("a_band_is_saturated", "32767: 2.69% of a patch"),
        ("radar_has_a_stripe_of_no_data", "-99: 13.11% of a patch"),
        ("a_patch_is_in_two_splits", "the same in all 5 bands: train 1; val 0"),
        ("qa60_is_there", "code 0 in every pixel; its type cannot hold the codes 1024, 2048"),
        ("reflectance_is_negative", "below zero: 0.0269% of a patch, down to -1"),
        ("a_band_is_a_copy_of_another", "the same as L1C_B4.dat"),
        ("a_place_is_in_two_splits", "1 roi_id also in val: ROI_0"),
        (
            "float32_is_read_as_twice_as_many_patches",
            "read as int16, but its pixels look like float32",
        ),
    ],
)
def test_a_finding_says_what_was_found(tiny, planted, message):
    assert message in message_of(tiny, planted)


def test_one_pixel_is_singular(tiny):
    edit(tiny, "LABEL_manual_hq")[0, 5, 5] = 7
    (finding,) = verify_tiny(tiny).findings
    assert finding.message.startswith("7: 1 pixel (")


def test_many_patches_of_one_value_each_are_one_finding(tiny):
    array = edit(tiny, "S1_VV")
    array[:, INNER, INNER] = np.array([1, 2.5, 3], "f4")[:, None, None]
    (finding,) = verify_tiny(tiny).findings
    assert (finding.check, finding.patches) == ("constant", ALL)
    assert finding.message == "one value per patch; 3 values, such as 1, 2.5, 3"
