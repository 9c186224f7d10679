"""`compact`: bands whose pixels are repeated, stored as the sensor saw them."""
