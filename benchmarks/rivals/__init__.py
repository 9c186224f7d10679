"""The rivals, one file each: docs/adding-a-rival.md says how to add one."""
