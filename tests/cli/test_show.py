"""What the command line shows: live on a terminal, plain lines in a pipe, and no markup from outside."""

import io
from dataclasses import asdict, replace

import pytest
from rich.console import Console

from thermolang.calibration.bootstrap import Interval
from thermolang.cli import show as terminal
from thermolang.cli.demo import DemoItem, Loop, Threshold, summary
from thermolang.routing.guarantees import GuaranteedThreshold
from thermolang.training.card import Comparison
from thermolang.training.collect import Collected
from thermolang.training.recipes import DATA_SETS, Found, Ingredients
from thermolang.types import Alternative, Confidence, Example, Task


def console(*, live=False, width=120):
    return Console(file=io.StringIO(), force_terminal=live, width=width, color_system=None, legacy_windows=False)


def item(
    question="Capital of Australia?",
    answer="Sydney",
    *,
    confidence=0.31,
    correct=False,
    decision="review",
    task="capitals",
):
    return DemoItem(question, answer, 0.9, confidence, correct, decision, 1.0, task, 0.1)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, "░░░░"), (0.25, "█░░░"), (0.6, "██░░"), (1.0, "████"), (None, "????")]
)
def test_a_probability_is_a_bar(value, expected):
    assert terminal.bar(value, 4) == expected
    assert len(terminal.bar(value)) == terminal.WIDTH


def test_on_a_terminal_answers_are_rows_of_a_table():
    screen = console(live=True)
    items = [item(), item("Sum?", "4", confidence=None), item("Colour?", "red", confidence=1.0, decision="accept")]
    assert terminal.demo_answers(screen, iter(items), 3) == items
    shown = screen.file.getvalue()
    assert "3 questions, none of a kind used so far" in shown
    for text in ("Capital of Australia?", "Sydney", "0.31 ███░░░░░░░", "none ??????????", "1.00 ██████████", "accept"):
        assert text in shown
    assert "3/3" in shown


def test_a_terminal_shows_the_first_answers_of_each_kind():
    screen = console(live=True)
    items = [item(f"{task} {i}?", task=task) for task in ("capitals", "sums") for i in range(terminal.SHOWN + 2)]
    assert terminal.demo_answers(screen, iter(items), len(items)) == items
    shown = screen.file.getvalue()
    for i in range(terminal.SHOWN + 2):
        assert (f"capitals {i}?" in shown, f"sums {i}?" in shown) == ((i < terminal.SHOWN),) * 2


def test_a_picture_of_the_console_has_no_bars_that_go_away():
    screen = Console(file=io.StringIO(), force_terminal=True, record=True, width=120)
    terminal.demo_answers(screen, iter([item()]), 1)
    with terminal.demo_bar(screen, "waiting", 3) as advance:
        advance()
    recorded = screen.export_text()
    assert "Capital of Australia?" in recorded
    assert "1/1" not in recorded and "waiting" not in recorded


def test_in_a_pipe_every_item_is_a_line_at_once():
    screen = console(width=40)
    seen = []

    def items():
        yield item("A question that is longer than forty characters, is it not?", "two\nlines\tand [bold]markup[/]")
        seen.append(screen.file.getvalue())
        yield item("Sum?", "4", confidence=None, correct=True)
        seen.append(screen.file.getvalue())

    assert len(terminal.demo_answers(screen, items(), 2)) == 2
    first = "review  0.31  wrong  A question that is longer than forty characters, is it not? -> "
    first += "two lines and [bold]markup[/]\n"
    assert seen == [first, first + "review  none  right  Sum? -> 4\n"]


def test_what_a_model_says_is_no_markup():
    for screen in (console(live=True), console()):
        terminal.demo_answers(screen, [item("[red]Why?[/]", "[/]nonsense[link=x]")], 1)
        terminal.show_confidence(screen, "[/bold]", Confidence(None, reason="[red]none[/]"))
        shown = screen.file.getvalue()
        for text in ("[red]Why?[/]", "[/]nonsense[link=x]", "[/bold]", "[red]none[/]"):
            assert text in shown


FOUND = GuaranteedThreshold("expected_error", 0.5, None, 0.46, 130, 40, 18, 0.59, 0.18)


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (Threshold(0.5), "0.50. You gave this threshold."),
        (
            Threshold(0.46, "guaranteed", ("capitals", "sums", "days"), FOUND),
            "0.46. It was found on 130 questions with known answers, of 3 other kinds (capitals, sums, ...), of which "
            "the model answered 41 % right; none of them is asked below. The guarantee, for questions like those: at "
            "most 50 % of the accepted answers are wrong, on average over draws of the labels; of these it accepts 40, "
            "18 of them wrong. The questions below are of new kinds, for which nothing is promised.",
        ),
        (
            Threshold(
                0.4051, "fallback", ("capitals", "sums", "days"), replace(FOUND, threshold=None, more_labels=900)
            ),
            "0.41. Nothing is promised: no threshold qualifies for 'at most 50 % of the accepted answers are wrong', "
            "on 130 questions with known answers, of 3 other kinds (capitals, sums, ...), of which the model answered "
            "41 % right; none of them is asked below. About 900 such questions would be needed. The one taken is how "
            "often the model was right on the tasks its calibrator was trained on.",
        ),
    ],
)
def test_it_says_where_the_threshold_comes_from(threshold, said):
    screen = console(width=60)
    terminal.show_threshold(screen, threshold)
    shown = " ".join(screen.file.getvalue().split())
    assert shown == f"Answers are accepted from a confidence of {said}"


def summed(*items):
    screen = console()
    terminal.show_summary(screen, summary(items, Threshold(0.5)), "sqlite:///x.db")
    return " ".join(screen.file.getvalue().split())


def test_a_summary_shows_every_figure():
    shown = summed(item(), item(correct=True, decision="accept", confidence=0.8))
    assert "all 2 50 % 9 to 91 %" in shown
    assert "accepted 1 100 % 21 to 100 %" in shown
    assert "sent to review 1 0 % 0 to 79 %" in shown
    assert "most confident 20 % ░░░░░░░░░░░░░░░░░░░░ 0 % of 1" in shown
    assert "all ██████████░░░░░░░░░░ 50 % of 2" in shown
    assert "(AUROC; 1 is best, 0.5 a coin) 0.500 1.000" in shown
    assert "(Brier; 0 is best) 0.410 0.068" in shown
    assert "(ECE; 0 is best) 0.400 0.255" in shown
    assert "time added by the confidence 11 %" in shown
    assert "sqlite:///x.db" in shown


def test_a_summary_says_plainly_when_confidence_did_not_help():
    right, wrong = item(correct=True), item(decision="accept")
    assert "The confidence did not separate right from wrong here" in summed(right, wrong)
    accepted, reviewed = item(correct=True, decision="accept"), item()
    assert "the intervals overlap: with so few it may be chance" in summed(accepted, reviewed)
    assert "The confidence separated right from wrong: the two intervals" in summed(*[accepted] * 9, *[reviewed] * 9)
    assert "accepted and reviewed ones cannot be compared" in summed(right, right)


LOOP = Loop(
    verdicts=23,
    learned=21,
    kinds=18,
    answers=52,
    before={"brier": 0.25, "review_share": 0.5, "error_accepted": 0.4},
    after={"brier": 0.2, "review_share": 0.75, "error_accepted": None},
    change=(-0.08, -0.02),
)


def looped(**changes):
    screen = console()
    terminal.show_loop(screen, asdict(replace(LOOP, **changes)))
    return " ".join(screen.file.getvalue().split())


def test_the_loop_shows_what_verdicts_changed():
    shown = looped()
    assert "a simulated operator, who knows the right answers, judged the 23 doubtful ones" in shown
    assert "18 kinds learned from 21 of these verdicts" in shown
    assert "The 52 answers of the other half, which nobody judged" in shown
    assert "(Brier) 0.250 0.200 wrong among accepted answers 40 % none sent to review 50 % 75 %" in shown
    assert "still wait for a person" in shown


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((-0.08, -0.02), "made the confidences better: the Brier score changed by -0.080 to -0.020"),
        ((0.01, 0.02), "made the confidences worse: the Brier score changed by +0.010 to +0.020"),
        ((-0.01, 0.02), "made no difference that these answers could show: the Brier score changed by -0.010 to"),
        ((0.0, 0.0), "made no difference"),
        (None, "nobody can tell whether the verdicts helped"),
    ],
)
def test_the_loop_says_plainly_whether_verdicts_helped(change, said):
    assert said in looped(change=change)


def test_without_verdicts_there_is_no_loop():
    assert (
        looped(verdicts=0) == "No answer that could be judged went to review, so there are no verdicts to learn from."
    )


def test_the_address_of_the_store_is_never_cut():
    screen, url = console(width=40), f"sqlite:////home/ann/{'deep/' * 20}[reviews].db"
    terminal.show_summary(screen, summary([item()], Threshold(0.5)), url)
    assert f"Doubtful answers wait in {url}\n" in screen.file.getvalue()


def test_a_summary_of_nothing_says_none():
    shown = summed()
    assert shown.count("none") == 13 + 1  # three shares, three intervals, six metrics, the time; and "or none"
    assert "most confident" not in shown


def test_a_confidence_shows_what_it_rests_on():
    screen = console()
    confidence = Confidence(
        0.62,
        raw=0.9,
        temperature=2.5,
        interval=(0.4, 0.8),
        supported=False,
        alternatives=(Alternative("Canberra", 0.38),),
        reason="weights differ slightly",
    )
    terminal.show_confidence(screen, "Sydney", confidence)
    shown = screen.file.getvalue()
    for text in (
        "Sydney\n",
        "0.62 ██████",
        "40% to 80%",
        "0.900",
        "T* 2.50",
        "Canberra: 0.38",
        "unlike",
        "differ slightly",
    ):
        assert text in shown


def test_meanings_are_a_bar_chart_with_the_answers_own_first():
    screen = console()
    others = (Alternative("Rome", 0.25, 2), Alternative("", 0.125, 1))
    found = Confidence(0.7, raw=0.625, temperature=1.0, interval=(0.5, 0.9), source="meaning", alternatives=others)
    terminal.show_confidence(screen, "[b]Paris[/b]", found)
    shown = screen.file.getvalue().splitlines()
    start = shown.index("asked again, the model said:")
    assert shown[start + 1 :] == [
        "  0.62 ██████░░░░ [b]Paris[/b] (5)",
        "  0.25 ██░░░░░░░░ Rome (2)",
        "  0.12 █░░░░░░░░░ (empty) (1)",
    ]


def test_without_a_confidence_the_reason_is_shown():
    screen = console(width=30)
    terminal.show_confidence(screen, "", Confidence(None, reason="the answer is empty, so there is nothing to score"))
    assert screen.file.getvalue() == (
        "(no answer)\nconfidence: none - the answer is empty, so there is nothing to score\n"
    )


def test_comparisons_show_figures_with_their_intervals():
    ours = {"Brier": Interval(0.1, 0.05, 0.15), "AUROC": None}
    raw = {"Brier": Interval(0.3, 0.2, 0.4), "AUROC": None}
    comparison = Comparison(("a",), 300, 0.417, {"uncalibrated": raw, "ours": ours}, {"uncalibrated": raw})
    screen = console()
    terminal.show_comparisons(screen, {"choice": comparison})
    shown = screen.file.getvalue()
    for text in (
        "choice: 300 held-out items, 41.7% right",
        "Brier",
        "0.100 [0.050, 0.150]",
        "ours minus uncalibrated",
        "-",
    ):
        assert text in shown


def test_progress_is_that_of_the_current_job():
    screen = console(live=True)
    with terminal.progress_bars(screen) as update:
        for job, total in (("training (choice)", 3), ("training (self_check)", 5)):
            for done in range(total + 1):
                update(job, done, total)
    last = screen.file.getvalue().rsplit("training", 1)[-1]
    assert "(self_check)" in last and "5/5" in last


def test_collecting_goes_on_to_training_in_the_same_bar():
    screen = console()
    with terminal.collecting_bar(screen) as report:
        report(Collected("capitals", 20, 20, 2.0, 0.0))
        report(Collected("training (choice)", 5000, 5000, 40.0, 0.0, "steps"))
    shown = screen.file.getvalue().splitlines()
    assert shown == [
        "20/20  2.0 items/s, 0 min left  capitals",
        "5000/5000  40.0 steps/s, 0 min left  training (choice)",
    ]


def test_data_sets_are_shown_with_their_licences_and_places():
    task = Task("nq", (Example("who", ("Ada",)),) * 3, "nq")
    one = next(d for d in DATA_SETS if d.name == "nq")
    screen = console()
    terminal.show_data_sets(screen, Ingredients((task,), False, (Found(one, "[x].jsonl", (task,)),), ("boolq is out",)))
    shown = screen.file.getvalue()
    for text in ("nq", "3", "CC BY-SA 3.0", "[x].jsonl", "boolq is out"):
        assert text in shown
