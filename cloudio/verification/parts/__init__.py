"""Parts of a data set: verified one by one, and their reports merged."""
