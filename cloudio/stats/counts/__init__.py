"""Counts of stored numbers: what statistics of bands are computed from, and can be added."""
