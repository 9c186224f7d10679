"""Reports in files: plain values that JSON holds, and back."""
