"""Doors to frameworks; the package finds each by name, such as ``cloudio.lightning``."""
