"""Every planted defect, by its name."""

import defects_of_files
import defects_of_pixels
from planting import PLANTED

__all__ = ["PLANTED", "defects_of_files", "defects_of_pixels"]
