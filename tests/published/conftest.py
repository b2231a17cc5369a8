"""The models import packages that may not be installed: they are targets, not tests."""

collect_ignore = ["models"]
