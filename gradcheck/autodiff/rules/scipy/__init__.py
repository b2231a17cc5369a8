"""Rules for SciPy, one module for each part of it, loaded when the user's code has loaded that part."""
