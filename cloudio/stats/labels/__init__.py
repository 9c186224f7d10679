"""Labels as classes: look-up tables of codes, and pairs of classes of two labels."""
