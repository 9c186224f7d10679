"""metadata.csv: its rows, the types of its columns, and conditions on them."""
