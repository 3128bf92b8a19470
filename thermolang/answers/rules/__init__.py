"""What single kinds of text say: numbers, dates, names, negations; English and Japanese."""
