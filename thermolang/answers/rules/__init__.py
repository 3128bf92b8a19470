"""Rules that read one kind of fact in a text each: numbers, dates, names, negations; English and Japanese."""
