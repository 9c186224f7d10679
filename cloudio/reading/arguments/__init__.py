"""Arguments of readers and reads, checked and resolved."""
