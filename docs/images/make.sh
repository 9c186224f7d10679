#!/bin/sh
# Make the pictures of README and docs from synthetic data: docs/images/make.sh
# It needs cloudio with its extra `plot`.  Each picture is what its command writes, reduced to few
# colors, which makes the file some three times smaller.
set -eu
cd "$(dirname "$0")"
data=$(mktemp -d)/data
trap 'rm -rf "$(dirname "$data")"' EXIT

reduce() { # FILE N: to N colors
    python - "$@" <<'END'
import sys

import numpy as np
from PIL import Image

path, n_colors = sys.argv[1], int(sys.argv[2])
n_exact = n_colors // 4  # the most common colors stay as they are; legends show these
image = Image.open(path).convert("RGB")
colors, places, counts = np.unique(
    np.asarray(image).reshape(-1, 3), axis=0, return_inverse=True, return_counts=True
)
exact = colors[np.argsort(counts)[-n_exact:]]
others = np.array(image.quantize(n_colors - n_exact).getpalette()).reshape(-1, 3)
palette = np.concatenate([exact, others[: n_colors - n_exact]]).astype(np.int32)
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
reduce show.png 256
reduce bands.png 40
reduce land-cover.png 128
