"""Bands whose pixels are repeated: whether each patch is so, and in which phase."""
