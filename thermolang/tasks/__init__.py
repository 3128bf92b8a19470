"""Questions with gold answers: readers of files and hubs, and the starter questions."""
