"""`cloudio.unpack`: patches and predictions as GeoTIFFs or .npy files, or as mosaics of scenes."""
