"""What the codes of labels are made of."""
