"""The rules: what NumPy's functions do for traced operands. Importing the modules fills the tables of ``core``."""

from gradcheck.autodiff.rules import elementwise, linalg, plain, products, reductions, shape

__all__ = ["elementwise", "linalg", "plain", "products", "reductions", "shape"]
