"""Free-form answers: is one right, do two mean the same, which of many belong together?"""
