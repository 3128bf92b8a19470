"""The long jobs: reading many items with a model, sampling answers, making a calibrator."""
