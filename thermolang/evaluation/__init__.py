"""Tasks to train on, benchmarks and reports."""
