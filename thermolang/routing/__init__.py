"""From a confidence to a decision."""
