"""The table of checks: what `cloudio.verify` can find, how severe it is, and what to do.

docs/checks.md has the same table for people.  docs/adding.md says what a new check needs.
"""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Check(NamedTuple):
    """``title`` says what is wrong, ``advice`` what to do.

    The name of a check is public: it is in reports, in JSON and in docs/checks.md.
    """

    severity: Severity
    title: str
    advice: str


_ANEW = "copy or download it anew"
CHECKS: dict[str, Check] = {
    # files: by names, sizes and metadata.csv alone
    "unreadable": Check("error", "files that cannot be read", f"{_ANEW}, or remove it"),
    "cut": Check("error", "files that end before their last patch", f"{_ANEW}"),
    "too-long": Check(
        "error",
        "files that hold more than the patches there are",
        "find out what the rest is: two files joined, or one of another type or shape",
    ),
    "shape": Check(
        "error", ".npy files of another shape", "describe it in a layout, or save it anew"
    ),
    "doubled": Check("error", "two files of one array", "keep the one that is right"),
    "folder": Check("error", "folders that are no split", "move what does not belong there"),
    "missing": Check(
        "warning", "arrays that are not there", "copy them, or read the splits one by one"
    ),
    "incomplete": Check(
        "note",
        "groups of arrays that lack a few",
        "copy them; or name the arrays you read, for the name of the group is refused",
    ),
    "unknown": Check(
        "note",
        "files that the layout does not know",
        "correct the name, or describe it in a layout: its type was guessed from its size",
    ),
    "left-out": Check("note", "files that are no patches, and left out", "nothing, if they are"),
    "type": Check(
        "warning",
        "arrays of another type than the layout's",
        "no scale is known of them: give reader(scale=...), or describe them in a layout; "
        "np.memmap of the layout's type reads them without an error, and wrongly",
    ),
    "label-type": Check(
        "note",
        "labels of another type than the layout's",
        "cloudio reads them; np.memmap of the layout's type would read each code as two",
    ),
    "ambiguous": Check(
        "warning",
        "sizes that allow two numbers of patches",
        "put a metadata.csv with a row per patch beside the files; a full verify looks at pixels",
    ),
    "holes": Check(
        "warning",
        "patches that were never written to the disk, wholly or in part, and read as zeros",
        f"{_ANEW}, unless it was made by a tool that leaves out zeros (cp --sparse)",
    ),
    "metadata": Check("error", "metadata.csv that cannot be used", "correct it, or copy it anew"),
    "rows": Check(
        "error",
        "metadata.csv with a row too many or too few",
        "correct it: row k describes patch k, and from some row on it no longer does",
    ),
    "no-metadata": Check("warning", "splits without metadata.csv, which others have", "copy it"),
    "columns": Check(
        "warning",
        "columns of metadata.csv that another split has",
        "add them: ds.metadata leaves out what is not in every split",
    ),
    "index": Check(
        "warning",
        "rows of metadata.csv with the same index",
        "find out which row is right; patches are numbered by row, not by index",
    ),
    "shared-roi": Check(
        "warning",
        "places that are in several splits",
        "a model has seen the ground it is tested on: make splits that keep roi_id whole",
    ),
    "shared-scene": Check(
        "warning",
        "satellite scenes that are in several splits",
        "a model has seen the sky it is tested on: make splits that keep s2_id whole",
    ),
    # pixels: every byte
    "read": Check("error", "arrays that could not be read to their end", f"{_ANEW}"),
    "halves": Check(
        "error",
        "float32 files that are read as two-byte numbers",
        "describe them as float32 in a layout, or put a metadata.csv with a row per patch there",
    ),
    "byte-order": Check(
        "error",
        "numbers whose bytes are in the other order",
        "write them anew, little-endian: array.byteswap()",
    ),
    "frame": Check(
        "warning",
        "valid pixels that lie elsewhere than in the valid window",
        "describe the data set in a layout with its own window (valid)",
    ),
    "frame-value": Check(
        "note",
        "padding of another value than 0",
        "nothing, where patches are read within the valid window, as they are by default",
    ),
    "codes": Check(
        "warning",
        "label codes outside their map",
        "give a LabelMap that lists them, if they mean something",
    ),
    "unlabelled": Check("note", "pixels that are not labeled", "nothing: they are ignored"),
    "label-empty": Check(
        "warning",
        "patches without a labeled pixel",
        "leave them out: ds.subset(...); a model learns nothing from them",
    ),
    "label-zeros": Check(
        "warning",
        "labels that are 0 in every pixel of every patch",
        "do not train on it: this is a placeholder, and 0 often means clear; take another label",
    ),
    "label-constant": Check(
        "warning",
        "labels with the same code in every pixel of every patch",
        "do not train on it: this looks like a placeholder",
    ),
    "label-binary": Check(
        "warning",
        "probabilities in percent that are only 0 and 1",
        "it is a mask: a threshold makes all of it 0, so give LabelMap({0: 0, 1: 1})",
    ),
    "constant": Check(
        "warning", "patches of one value", "leave them out, or find out what overwrote them"
    ),
    "saturated": Check(
        "warning",
        "patches with many pixels at the largest number of their type",
        "what was brighter is lost: mask them, or take the product anew as uint16 or float32",
    ),
    "negative": Check(
        "warning",
        "reflectance below zero",
        "find out whether it is no data, needs an offset in the layout, or is uint16 read as int16",
    ),
    "nodata": Check(
        "warning",
        "patches that are partly no data",
        "reader(fill=...) replaces it and valid=True masks it; else its number enters every mean",
    ),
    "empty": Check(
        "warning",
        "patches without data",
        "leave them out: ds.subset(...), or reader(fill=..., valid=True)",
    ),
    "nan": Check(
        "warning",
        "patches with pixels that are NaN",
        "reader(fill=...) replaces no data of the layout: describe them there as nodata = nan",
    ),
    "infinite": Check(
        "warning", "patches with infinite pixels", "reader(clip=...), or write them anew"
    ),
    "duplicate": Check(
        "warning",
        "patches that are there more than once",
        "keep one: between splits it is a leak, within one a weight",
    ),
    "copied": Check(
        "error",
        "arrays that hold the same bytes as another",
        f"{_ANEW}: one is a copy of the other",
    ),
    # against a manifest
    "manifest-missing": Check("error", "arrays of the manifest that are gone", f"{_ANEW}"),
    "manifest-new": Check("note", "files that the manifest does not have", "write a new manifest"),
    "manifest-size": Check(
        "error", "files of another size or type than in the manifest", f"{_ANEW}"
    ),
    "manifest-bytes": Check("error", "bytes that are not those of the manifest", f"{_ANEW}"),
}
