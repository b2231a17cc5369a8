"""``scipy.ndimage``: filters, rank filters and grey morphology, interpolation, measurements of labelled regions.

Loaded when the user has loaded ``scipy.ndimage``. Everything rests on ``extend.py``: an image that is continued beyond
its edges, as a linear map with its transpose. Filters are then the same at the edges as everywhere else.
"""

from __future__ import annotations

import scipy.ndimage

from gradcheck.autodiff.rules.scipy.ndimage import filters, fourier, geometry, measure, ranks
from gradcheck.autodiff.rules.scipy.registry import plain, replace

for _part in (filters, ranks, geometry, fourier, measure):
    replace(scipy.ndimage, _part.HANDLERS, always=_part.ALWAYS)
plain(
    scipy.ndimage,
    [
        "binary_closing", "binary_dilation", "binary_erosion", "binary_fill_holes", "binary_hit_or_miss",
        "binary_opening", "binary_propagation", "distance_transform_cdt",
        "find_objects", "generate_binary_structure", "iterate_structure", "label",
        "value_indices", "watershed_ift", "maximum_position", "minimum_position", "histogram",
    ],
)  # fmt: skip
