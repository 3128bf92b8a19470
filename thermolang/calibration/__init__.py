"""Pure calibration mathematics: numbers in, numbers out."""
