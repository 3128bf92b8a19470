"""Calibrators that were trained by `thermolang calibrate` and ship with the package."""
