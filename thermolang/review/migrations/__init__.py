"""Alembic's scripts for the review database; ``thermolang.review.database`` runs them."""
