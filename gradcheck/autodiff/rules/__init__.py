"""The rules: what NumPy's functions do for traced operands. Importing the modules fills the tables of ``core``.

Rules for SciPy load when the user's code has loaded that part of SciPy, and so do those for parts of NumPy that it does
not load itself: see :func:`load_for_loaded_modules`.
"""

from __future__ import annotations

import importlib
import sys
import threading

from gradcheck.autodiff.rules import (
    calculus,
    choosing,
    creation,
    eigen,
    einsum,
    elementwise,
    factorisations,
    fft,
    functional,
    histograms,
    joining,
    linalg,
    matrices,
    norms,
    padding,
    picking,
    plain,
    polynomials,
    products,
    quantiles,
    reductions,
    scimath,
    sets,
    shape,
    statistics,
    writing,
)

__all__ = [
    "LOCK",
    "calculus",
    "choosing",
    "creation",
    "eigen",
    "einsum",
    "elementwise",
    "factorisations",
    "fft",
    "functional",
    "histograms",
    "joining",
    "linalg",
    "load_for_loaded_modules",
    "matrices",
    "norms",
    "padding",
    "picking",
    "plain",
    "polynomials",
    "products",
    "quantiles",
    "reductions",
    "scimath",
    "sets",
    "shape",
    "statistics",
    "writing",
]

# A module that the user's code may load, and ours with the rules for it (none: all of it is differentiated
# numerically).
WAITING: dict[str, str | None] = {
    "numpy.lib.recfunctions": "gradcheck.autodiff.rules.recfunctions",
    "scipy.special": "gradcheck.autodiff.rules.scipy.special",
    "scipy.stats": "gradcheck.autodiff.rules.scipy.stats",
    "scipy.fft": "gradcheck.autodiff.rules.scipy.fft",
    "scipy.fftpack": "gradcheck.autodiff.rules.scipy.fftpack",
    "scipy.interpolate": "gradcheck.autodiff.rules.scipy.interpolate",
    "scipy.signal": "gradcheck.autodiff.rules.scipy.signal",
    "scipy.signal.windows": None,
    "scipy.ndimage": "gradcheck.autodiff.rules.scipy.ndimage",
    "scipy.linalg": "gradcheck.autodiff.rules.scipy.linalg",
    "scipy.integrate": "gradcheck.autodiff.rules.scipy.integrate",
    "scipy.optimize": "gradcheck.autodiff.rules.scipy.optimize",
    "scipy.optimize.elementwise": "gradcheck.autodiff.rules.scipy.optimize.elementwise",
    "scipy.spatial": "gradcheck.autodiff.rules.scipy.spatial",
    "scipy.spatial.distance": "gradcheck.autodiff.rules.scipy.spatial.distance",
    "scipy.spatial.transform": "gradcheck.autodiff.rules.scipy.spatial.transform",
    "scipy.sparse": "gradcheck.autodiff.rules.scipy.sparse",
    "scipy.sparse.linalg": "gradcheck.autodiff.rules.scipy.sparse.solvers",
    "scipy.sparse.csgraph": "gradcheck.autodiff.rules.scipy.sparse.graphs",
    "scipy.cluster.hierarchy": None,
    "scipy.cluster.vq": None,
}

# For whatever replaces names or adds rules; ``scope.py`` takes it as well (two locks could be taken in two orders).
LOCK = threading.RLock()
_being_loaded: set[str] = set()
# How many modules there were when none of them was waited for.
modules_seen = 0


def load_for_loaded_modules() -> bool:
    """Load the rules for those parts of SciPy that have been loaded since the last call; whether there were any.

    Called at the start of every trace, and for a function of NumPy's without a rule.
    """
    global modules_seen
    count = len(sys.modules)
    if count == modules_seen:  # a trace is too short to look through all names each time
        return False
    if WAITING.keys().isdisjoint(sys.modules.keys()):
        modules_seen = count
        return False
    # Another thread that comes meanwhile waits until the rules are there. A thread can take the lock again: to import
    # rules may run code that asks for this.
    with LOCK:
        # A module that is being imported at this moment is not complete yet.
        ready = [
            name for name in WAITING if name in sys.modules and name not in _being_loaded and not _is_loading(name)
        ]
        _being_loaded.update(ready)
        try:
            for name in ready:
                rules = WAITING[name]
                if rules is not None:
                    importlib.import_module(rules)
                if name.startswith("scipy."):
                    registry = importlib.import_module("gradcheck.autodiff.rules.scipy.registry")
                    registry.complete(sys.modules[name])
                # Not before, as other threads look whether there is something to wait for without taking the lock.
                WAITING.pop(name)
        finally:
            _being_loaded.difference_update(ready)
    return bool(ready)


def _is_loading(name: str) -> bool:
    return bool(getattr(sys.modules[name].__spec__, "_initializing", False))
