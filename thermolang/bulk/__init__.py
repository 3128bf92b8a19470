"""Answers that exist already, scored in files."""
