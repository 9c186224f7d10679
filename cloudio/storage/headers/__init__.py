"""What a file says of itself in its first bytes."""
