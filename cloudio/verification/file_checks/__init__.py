"""Checks of names, sizes and metadata.csv; no pixel is read."""
