"""Which files of a folder are a sample: by patterns with fields, or by a table of paths."""

from .source import file_source

__all__ = ["file_source"]
