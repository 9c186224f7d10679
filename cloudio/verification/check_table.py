"""The table of checks: what `cloudio.verify` can find, how severe it is, and what to do.

docs/checks.md has the same table for people.  docs/adding.md says what a new check needs.
"""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Check(NamedTuple):
    """What a check looks for: ``title`` says what is wrong, ``advice`` what to do.

    The name of a check is public: it is in reports, in JSON and in docs/checks.md.
    """

    severity: Severity
    title: str
    advice: str


_AGAIN = "copy or download it again"
CHECKS: dict[str, Check] = {
    # files: by names, sizes and metadata.csv only
    "unreadable": Check("error", "files that cannot be read", f"{_AGAIN}, or remove it"),
    "format": Check(
        "error",
        "files of another format, such as TIFF or gzip",
        "cloudio maps flat pixels and .npy files: convert or unpack it, or describe the files that "
        "hold the pixels in a layout",
    ),
    "cut": Check("error", "files that end before their last patch", f"{_AGAIN}"),
    "too-long": Check(
        "error",
        "files that are longer than their patches",
        "find out what the rest is: two files joined, or another type or shape",
    ),
    "shape": Check(
        "error", ".npy files of another shape", "describe it in a layout, or save it again"
    ),
    "phases": Check(
        "error",
        "phases or exceptions that do not fit their arrays",
        f"{_AGAIN}, or correct repeat, phase and exceptions in the layout",
    ),
    "doubled": Check("error", "two files for one array", "keep the right one"),
    "folder": Check("error", "folders that are not a split", "move the files into splits"),
    "layout": Check(
        "warning",
        "splits whose layout is in doubt",
        "write the right one into cloudio.toml, or give it with layout= (--layout)",
    ),
    "missing": Check(
        "warning", "arrays that are missing in a split", "copy them, or read the splits separately"
    ),
    "incomplete": Check(
        "note",
        "groups of arrays of which some are missing",
        "copy them, or name each array that you read; the name of the group is refused",
    ),
    "unknown": Check(
        "note",
        "files that the layout does not know",
        "correct the name, or describe it in a layout: its type was guessed from its size",
    ),
    "left-out": Check(
        "note", "files that hold no patches and are left out", "nothing to do, if that is right"
    ),
    "type": Check(
        "warning",
        "arrays of another type than the layout's",
        "their scale is unknown: pass reader(scale=...), or describe them in a layout; "
        "np.memmap of the layout's type reads wrong numbers without an error",
    ),
    "label-type": Check(
        "note",
        "labels of another type than the layout's",
        "nothing to do in cloudio; np.memmap of the layout's type reads each code as two",
    ),
    "ambiguous": Check(
        "warning",
        "sizes that allow two numbers of patches",
        "put a metadata.csv with a row per patch beside the files; a full verify checks the pixels",
    ),
    "link": Check(
        "note",
        "links that lead out of the folder",
        "nothing to do if you made them, as download caches do; in a folder of somebody else they "
        "may read files that are not part of it",
    ),
    "holes": Check(
        "warning",
        "patches that were not written to the disk completely, and read as zeros",
        f"{_AGAIN}, unless a tool that leaves out zeros made it (cp --sparse)",
    ),
    "metadata": Check("error", "metadata.csv that cannot be used", "correct it, or copy it again"),
    "rows": Check(
        "error",
        "metadata.csv with too many or too few rows",
        "correct it: row k must describe patch k",
    ),
    "no-metadata": Check(
        "warning", "splits without metadata.csv, which other splits have", "copy it"
    ),
    "columns": Check(
        "warning",
        "columns of metadata.csv that another split has",
        "add them: ds.metadata has only columns that are in every split",
    ),
    "index": Check(
        "warning",
        "rows of metadata.csv with the same index",
        "find out which row is right; patches are numbered by row, not by index",
    ),
    "shared-roi": Check(
        "warning",
        "places that occur in several splits",
        "the test is not independent of the training: make splits that keep roi_id whole",
    ),
    "shared-scene": Check(
        "warning",
        "satellite scenes that occur in several splits",
        "the test is not independent of the training: make splits that keep s2_id whole",
    ),
    # pixels: every byte
    "read": Check("error", "arrays that could not be read to their end", f"{_AGAIN}"),
    "halves": Check(
        "error",
        "float32 files that are read as two-byte numbers",
        "describe them as float32 in a layout, or put a metadata.csv with a row per patch there",
    ),
    "not-float32": Check(
        "error",
        "files of another type that are read as float32",
        "write the type of the file into the layout, and save float64 again as float32: "
        "array.astype('float32')",
    ),
    "channels": Check(
        "error",
        "stacked files whose channels lie on another side",
        "write the right channel_axis into the layout",
    ),
    "byte-order": Check(
        "error",
        "numbers in the wrong byte order",
        "write them again, little-endian: array.byteswap()",
    ),
    "frame": Check(
        "warning",
        "valid pixels in another place than the valid window",
        "describe the data set in a layout with its own window (valid)",
    ),
    "frame-value": Check(
        "note",
        "padding with another value than 0",
        "nothing to do if you read within the valid window, which is the default",
    ),
    "codes": Check(
        "warning",
        "label codes that their map does not list",
        "give a LabelMap that lists them, if they have a meaning",
    ),
    "unlabelled": Check("note", "pixels that are not labeled", "nothing to do: they are ignored"),
    "label-empty": Check(
        "warning",
        "patches without a labeled pixel",
        "leave them out with ds.subset(...): a model learns nothing from them",
    ),
    "label-zeros": Check(
        "warning",
        "labels that are 0 in every pixel of every patch",
        "do not train on it: this is a placeholder, and 0 often means clear; use another label",
    ),
    "label-constant": Check(
        "warning",
        "labels with the same code in every pixel of every patch",
        "do not train on it: this looks like a placeholder",
    ),
    "label-binary": Check(
        "warning",
        "probabilities in percent that are only 0 and 1",
        "this is a mask, and a threshold makes all of it 0: give LabelMap({0: 0, 1: 1})",
    ),
    "constant": Check(
        "warning",
        "patches with one value in every pixel",
        "leave them out, or find out what overwrote them; if they are meant, such as sea in "
        "elevation, write the unit of the band in a layout",
    ),
    "saturated": Check(
        "warning",
        "patches with many pixels at the largest number of their type",
        "brighter values are lost: mask them, or get the product again as uint16 or float32; "
        "if the number means no data, write nodata in a layout",
    ),
    "negative": Check(
        "warning",
        "bands with numbers below zero",
        "find out if they are no data, need an offset in the layout, or are uint16 read as int16; "
        "if they are meant, write the unit of the band in a layout, such as dB, m or index",
    ),
    "nodata": Check(
        "warning",
        "patches with some pixels without data",
        "reader(fill=...) replaces and valid=True masks them; else their number enters every mean",
    ),
    "empty": Check(
        "warning",
        "patches without data",
        "leave them out with ds.subset(...), or use reader(fill=..., valid=True)",
    ),
    "nan": Check(
        "warning",
        "patches with pixels that are NaN",
        "reader(fill=...) replaces them; if NaN means no data, write nodata = nan in a layout",
    ),
    "infinite": Check(
        "warning",
        "patches with infinite pixels",
        "reader(clip=...) limits them; or write them again",
    ),
    "duplicate": Check(
        "warning",
        "patches that occur more than once",
        "keep one: between splits a copy is a leak, within a split it counts twice",
    ),
    "copied": Check(
        "error",
        "arrays with the same bytes as another array",
        f"{_AGAIN}: one is a copy of the other",
    ),
    # against a manifest
    "manifest-missing": Check("error", "arrays of the manifest that are missing", f"{_AGAIN}"),
    "manifest-new": Check("note", "files that are not in the manifest", "write a new manifest"),
    "manifest-size": Check(
        "error", "files of another size or type than in the manifest", f"{_AGAIN}"
    ),
    "manifest-bytes": Check("error", "bytes that differ from the manifest", f"{_AGAIN}"),
}
