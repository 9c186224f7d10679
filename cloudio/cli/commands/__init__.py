"""The commands: each is the module of this folder of that name."""
