#!/bin/sh
# Make the pictures of README and docs from synthetic data: docs/images/make.sh
# It needs cloudio with its extra `plot`.  Each picture is what its command writes, reduced to few
# colors, which makes the file some three times smaller.
set -eu
cd "$(dirname "$0")"
data=$(mktemp -d)/data
trap 'rm -rf "$(dirname "$data")"' EXIT

reduce() { # FILE N [SHRINK]: to N colors, and to a fraction of its size
    python - "$@" <<'END'
import sys

import numpy as np
from PIL import Image

path, n_colors, shrink = sys.argv[1], int(sys.argv[2]), int((sys.argv + ["1"])[3])
# Some for the most common colors, which legends show, and some for grays, which bands are.
n_exact, n_grays = n_colors // 4, n_colors // 8
grays = np.linspace(0, 255, n_grays).round().astype(np.int32)[:, None].repeat(3, axis=1)
image = Image.open(path).convert("RGB").reduce(shrink)
colors, places, counts = np.unique(
    np.asarray(image).reshape(-1, 3), axis=0, return_inverse=True, return_counts=True
)
exact = colors[np.argsort(counts)[-n_exact:]]
n_others = n_colors - n_exact - n_grays
others = np.array(image.quantize(n_others).getpalette()).reshape(-1, 3)[:n_others]
palette = np.concatenate([exact, grays, others]).astype(np.int32)
nearest = [((palette - color) ** 2).sum(axis=1).argmin() for color in colors.astype(np.int32)]
reduced = Image.fromarray(np.array(nearest, np.uint8)[places].reshape(image.height, image.width))
reduced.putpalette(palette.astype(np.uint8).tobytes())
reduced.save(path, optimize=True)
END
}

set -x
cloudio synth "$data"
cloudio show "$data" --index 9 --labels manual_hq,s2cloudless -o show.png --force
cloudio show "$data" --index 9 --bands L1C -o bands.png --force
cloudio show "$data" --index 2 --bands rgb,EXTRA_lc10,EXTRA_elevation -o land-cover.png --force
reduce show.png 224
reduce bands.png 64 2
reduce land-cover.png 224
