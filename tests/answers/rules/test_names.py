"""One person in several spellings is one; two of a family are two; what is no name is left to others."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL
from thermolang.answers.rules.names import Name, name_of, other_name, same_name

SAME = [
    ("Barack Obama", "President Barack Obama"),
    ("Barack Obama", "B. Obama"),
    ("Barack Obama", "Obama, Barack"),
    ("Abe Shinzo", "Shinzo Abe"),
    ("Mr. Darcy", "Darcy"),
    ("Queen Victoria", "Victoria"),
    ("Bill Clinton", "William Clinton"),
    ("Bill J. Clinton", "William Jefferson Clinton"),
    ("F. D. Roosevelt", "Franklin Delano Roosevelt"),
    ("Leonardo da Vinci", "Leonardo Da Vinci"),
    ("Ludwig van Beethoven", "Ludwig Beethoven"),
    ("the Netherlands", "Netherlands"),
    ("It was Marie Curie", "Marie Curie."),
    ("The answer is Marie Curie", "Marie Curie"),
    ("Hans Ørsted", "Hans Orsted"),
    ("Ørsted", "Orsted"),
    ("Łódź", "Lodz"),
    ("Curaçao", "Curacao"),
    ("NASA", "N.A.S.A."),
    ("the UN", "United Nations"),
    ("USA", "United States of America"),
    ("UK", "the United Kingdom"),
    ("PM", "Prime Minister"),
    ("Acme Corp.", "Acme Corporation"),
    ("Acme", "Acme Inc."),
    ("Tanaka Co., Ltd.", "Tanaka Limited"),
    ("The Coca-Cola Company", "Coca-Cola"),
    ("Jane Smith, PhD", "Dr. Jane Smith"),
    ("Jane Smith, Ph.D.", "Jane Smith"),
]

OTHER = [
    ("North Korea", "South Korea"),
    ("Marie Curie", "Pierre Curie"),
    ("Barack Obama", "Michelle Obama"),
    ("New York", "New Orleans"),
    ("George Washington", "George Bush"),
    ("J. Adams", "S. Adams"),
    ("Vitamin C", "Vitamin D"),
    ("Lord of the Rings", "Lord of the Flies"),
    ("Mr. Smith", "Mrs. Smith"),
    ("Princess Charlotte", "Prince Charlotte"),
    ("DNA", "RNA"),
    ("US", "UK"),
    ("Stark Industries", "Stark Enterprises"),
    ("John Smith Jr.", "John Smith Sr."),
]

SILENT = [
    ("Paris", "London"),
    ("Paris", "Paris Hilton"),
    ("Obama", "Barack Obama"),
    ("Barack Obama", "Michelle Robinson Obama"),
    ("George Bush", "George W. Bush"),
    ("Acme Inc.", "Acme Ltd."),
    ("John Smith", "John Smith Jr."),
    ("Maria Skłodowska", "Marya Sklodowska"),
    ("Jon Smith", "John Smith"),
    ("Type A", "Type AB"),
    ("Louis X", "Louis XIV"),
    ("Vitamin B", "Vitamin Biotin"),
    ("University of York", "York University"),
    ("Republic of China", "China Republic"),
    ("The Lord of the Rings", "Rings"),
    ("King of Spain", "Spain"),
    ("the President", "the King"),
    ("WHO", "Doctor Who"),
    ("NATO", "UN"),
    ("US", "USA"),
    ("US", "United States of America"),
    ("A. B.", "Anna Bell"),
]

NO_NAMES = [
    "",
    " ",
    "a blue car",
    "Paris is big",
    "paris",
    "Paris (France)",
    "Who?",
    "Apollo 11",
    "C++",
    "C#",
    "O+",
    "O-",
    "O\u2212",
    "A=B",
    "100",
    "東京",
    "👍",
    "Yes!",
    "-",
    "the",
    "of the",
    "Aa " * 60,
    "One Two Three Four Five Six Seven",
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_spellings_of_one_name(a, b):
    assert same_name(name_of(a), name_of(b))
    assert not other_name(name_of(a), name_of(b))


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_names_that_share_a_word_but_are_others(a, b):
    assert other_name(name_of(a), name_of(b))
    assert not same_name(name_of(a), name_of(b))


@pytest.mark.parametrize(("a", "b"), SILENT)
def test_names_of_which_nothing_is_sure(a, b):
    assert not same_name(name_of(a), name_of(b))
    assert not other_name(name_of(a), name_of(b))


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_is_no_name(text):
    assert name_of(text) is None


@pytest.mark.parametrize(
    ("text", "words", "acronym"),
    [
        ("Jean-Paul Sartre", ("jean", "paul", "sartre"), ""),
        ("Conan O'Brien", ("conan", "obrien"), ""),
        ("Conan O\u2019Brien", ("conan", "obrien"), ""),
        ("Dr. Martin Luther King", ("martin", "luther", "king"), ""),
        ("Queen of Spain", ("queen", "spain"), ""),
        ("Prince", ("prince",), ""),
        ("Straße", ("strasse",), ""),
        ("the U.S.", ("us",), "us"),
        ("NASA", ("nasa",), "nasa"),
        ("ABCDEF", ("abcdef",), ""),
        ("\u0410\u043d\u043d\u0430 \u041a\u0430\u0440\u0435\u043d\u0438\u043d\u0430", None, ""),
    ],
)
def test_the_words_of_a_name(text, words, acronym):
    found = name_of(text)
    assert found is not None
    assert found.acronym == acronym
    assert words is None or found.words == words


@settings(deadline=None)
@given(st.one_of(st.text(max_size=110), st.text("ABab .'-,łØ\u0301", max_size=30)))
def test_any_text_is_read_and_is_itself(text):
    found = name_of(text)
    assert found is None or (1 <= len(found.words) <= 6 and all(found.words))
    if found is not None:
        assert same_name(found, found)
        assert not other_name(found, found)


NAMES = sorted({text for pair in SAME + OTHER + SILENT for text in pair} | {t for t in POOL if name_of(t)})


def test_the_order_of_two_names_plays_no_part_and_no_pair_is_both():
    for a, b in itertools.combinations([name_of(text) for text in NAMES], 2):
        assert same_name(a, b) == same_name(b, a), (a, b)
        assert other_name(a, b) == other_name(b, a), (a, b)
        assert not (same_name(a, b) and other_name(a, b)), (a, b)


WORDS = st.lists(st.sampled_from(["a", "b", "ab", "bill", "will", "william", "anna", "anne"]), min_size=1, max_size=4)
MADE = st.builds(Name, WORDS.map(tuple), st.just(""), st.booleans(), st.sampled_from(["", "f", "m"]))


@settings(deadline=None)
@given(MADE, MADE)
def test_any_two_names_are_compared_the_same_in_both_orders(a, b):
    assert same_name(a, b) == same_name(b, a)
    assert other_name(a, b) == other_name(b, a)
    assert not (same_name(a, b) and other_name(a, b))
