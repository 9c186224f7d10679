"""Layouts: what a data set looks like on disk. Tables, and their TOML; no file of pixels."""
