"""A run of `pack`: rows and the journal of them, workers, and the end."""
