"""Compiled: open files, decided reads, batches, and memory that is used again."""
