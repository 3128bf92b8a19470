"""Makers of the starter questions, one module for each kind of fact."""
