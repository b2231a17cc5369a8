"""What autograd keeps in ``autograd.misc``: flattening of containers, fixed points, and small optimisers."""

from __future__ import annotations

from gradcheck.misc.flatten import flatten
from gradcheck.misc.tracers import const_graph

__all__ = ["const_graph", "flatten"]
