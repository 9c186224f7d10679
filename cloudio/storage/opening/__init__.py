"""What `cloudio.open` settles before it opens files: the folder and its layout."""
