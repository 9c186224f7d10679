"""Warnings about requests that a reader can serve, but that are unlikely to be meant."""
