"""Writes the table of variant kanji, thermolang/answers/rules/data/variants.toml, from the Unihan database.

    python tools/make_variants.py UCD

UCD is a folder with Unihan_Variants.txt, Unihan_OtherMappings.txt and Unihan_Readings.txt of the Unicode Character
Database. A character is a variant of a standard one (a Jōyō or Jinmeiyō kanji) if Unihan gives it as its Jinmeiyō form,
or if it is no standard one itself and is linked, as a semantic, z- or simplified variant, to exactly one standard
character that has an On and a Kun reading in common with it.
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path

OUT = Path(__file__).parents[1] / "thermolang" / "answers" / "rules" / "data" / "variants.toml"
LINKS = ("kSemanticVariant", "kZVariant", "kSimplifiedVariant", "kTraditionalVariant")
# Names that are in daily use, and that the database does not link.
BY_HAND = dict(
    zip("邊邉澤濱濵齋髙﨑嵜嶌桒栁德瀨淸舘", "辺辺沢浜浜斎高崎崎島桑柳徳瀬清館", strict=True),
)


def entries(folder, file, *fields):
    """Yield (character, field, value) of one file of the database."""
    for line in (folder / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("U+"):
            code, field, value = line.split("\t")
            if field in fields:
                yield chr(int(code[2:], 16)), field, value


def named(value):
    return {chr(int(code, 16)) for code in re.findall(r"U\+([0-9A-F]+)", value)}


def variants(folder):
    """Return a map from each variant to its standard character."""
    found, standard, readings, links = {}, set(), defaultdict(set), defaultdict(set)
    for character, _, value in entries(folder, "Unihan_OtherMappings.txt", "kJoyoKanji", "kJinmeiyoKanji"):
        linked = named(value)
        if linked:
            found[character] = linked.pop()
        else:
            standard.add(character)
    for character, field, value in entries(folder, "Unihan_Readings.txt", "kJapaneseKun", "kJapaneseOn"):
        readings[character, field].update(value.split())
    for character, _, value in entries(folder, "Unihan_Variants.txt", *LINKS):
        links[character] |= named(value)
    for character, others in links.items():
        near = [
            other
            for other in others & standard
            if all(readings[character, kind] & readings[other, kind] for kind in ("kJapaneseOn", "kJapaneseKun"))
        ]
        if character not in standard and character not in found and len(near) == 1:
            found[character] = near[0]
    return found | BY_HAND


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    found = variants(parser.parse_args().folder)
    groups = defaultdict(list)
    for variant, standard in sorted(found.items()):
        if max(variant, standard) <= "\uffff":  # other planes stand in no answer
            groups[standard].append(variant)
    lines = [
        "# Standard kanji and their variants, from the Unihan database (Unicode licence) by tools/make_variants.py.",
        "",
    ]
    lines += [f'"{standard}" = "{"".join(groups[standard])}"' for standard in sorted(groups)]
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
