"""What stages with models share. Needs numpy and the like, so nothing outside this package imports it."""
