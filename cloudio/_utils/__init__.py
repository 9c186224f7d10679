"""Helpers of all rooms: checks of numbers, files, progress, text, tables, warnings, the machine."""
