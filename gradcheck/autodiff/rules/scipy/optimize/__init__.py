"""``scipy.optimize``."""
