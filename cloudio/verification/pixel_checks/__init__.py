"""Checks of pixels: from the counts of a pass over each array, and from a few patches."""
