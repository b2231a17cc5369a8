"""Functions that make an array longer: ``pad`` in all its modes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    implements,
    plain,
    plain_tree,
    shape_of,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.choosing import where
from gradcheck.autodiff.rules.picking import moved
from gradcheck.autodiff.rules.reductions import (
    as_traced,
)


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    array = as_traced(array)
    pad_width, keywords = plain_tree(pad_width), plain_tree(keywords)
    if mode in ("edge", "wrap", "reflect", "symmetric") and keywords.get("reflect_type", "even") == "even":
        return moved(array, lambda p: np.pad(p, pad_width, mode=mode, **keywords))
    if mode == "constant":
        n = int(np.prod(shape_of(array), dtype=int))
        positions = np.pad(np.arange(n).reshape(shape_of(array)), pad_width, constant_values=-1)
        filled = np.pad(np.zeros_like(plain(array)), pad_width, **keywords)
        return where(positions >= 0, np.reshape(array, -1)[positions], filled)
    raise unsupported(f"np.pad with mode={mode!r} of a traced value")
