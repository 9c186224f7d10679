#!/bin/sh
# Make the pictures of README and docs from synthetic data: docs/images/make.sh
# It needs cloudio with its extra `plot`.  Each picture is what its command writes, with its colors
# reduced to a palette of 256, so that the files stay small.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cloudio() { python -m cloudio "$@"; }

reduce() { # FILE: to a palette
    python - "$1" <<'END'
import sys
from PIL import Image

image = Image.open(sys.argv[1]).convert("RGB")
image.quantize(256, dither=Image.Dither.NONE).save(sys.argv[1], optimize=True)
END
}

cloudio synth "$work/data"

cloudio show "$work/data" --index 9 --labels manual_hq,s2cloudless -o show.png --force
reduce show.png
