"""Free-form answers: grading, equivalence, clustering."""
