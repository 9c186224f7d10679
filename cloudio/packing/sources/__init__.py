"""Where samples come from: files, containers, data sets, and objects of Python."""
