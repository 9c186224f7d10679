"""Results of parts of a data set, merged into the result of one pass over all of them."""
