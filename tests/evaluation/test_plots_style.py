"""What the figures share: looks that do not need colour."""

from thermolang.evaluation.plots import AFTER, BEFORE, looks


def test_methods_differ_in_more_than_colour():
    many = [{"name": f"m{n}", "ours": n == 1} for n in range(15)] + [{"name": "uncalibrated"}]
    found = looks(many)
    assert len({(look["marker"], str(look["linestyle"])) for look in found.values()}) == 16
    assert found["m1"]["color"] == AFTER
    assert found["uncalibrated"]["color"] == BEFORE
