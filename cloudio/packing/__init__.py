"""`pack`: any data as the flat files that cloudio reads; `unpack`: patches as GeoTIFF or .npy."""
