"""Rows of the files that people have: JSON lines, JSON, CSV with any separator, Excel and Parquet.

Questions to learn from and answers to score are read by the same reader. A row that cannot be read does not stop the
others: it comes with its problem, and the caller decides.
"""

from __future__ import annotations

import codecs
import csv
import json
import math
import re
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from charset_normalizer import from_bytes

from thermolang.errors import TaskFormatError, require
from thermolang.tasks.columns import Columns, Row, TableRow, named


class FileRow(NamedTuple):
    """A row of a file.

    Attributes:
        place: File and line, entry or row, for people.
        number: The same as a number, from 1.
        row: What stands there; empty where it cannot be read.
        problem: Why it cannot be read; empty if it can.
        raw: Its text, where it cannot be read.
    """

    place: str
    number: int
    row: Row
    problem: str = ""
    raw: str = ""


Rows = Generator[FileRow, None, None]
"""To be closed if it is left before its end, as a file is open until then."""

SAVE_AS_UTF8 = 'save the file as UTF-8 (in Excel: Save As, "CSV UTF-8")'
NOT_UTF8 = f"its letters are neither UTF-8 nor anything that its bytes tell for sure; {SAVE_AS_UTF8}"
SAMPLE = 1 << 16
"""Bytes that tell the encoding of a file, from its first line on that has more than ASCII."""

NULS = 20
"""A file of which more than one byte in so many is zero is UTF-16."""

PAGE_BYTES, PARQUET_ROWS = 1 << 16, 256
"""Of a Parquet file, read at a time: bytes of a column, and rows."""

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_RIVALS = ["cp932", "euc_jp", "cp949", "gb18030", "big5", "cp1250", "cp1251", "cp1252"]
"""Encodings in which files without a mark are saved, beside UTF-8 and UTF-16."""

_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_ASCII = bytes(range(0x80))
_UNDECODED = re.compile("[\udc80-\udcff]")


def file_rows(path: Path, columns: Columns | None = None) -> Rows:
    """Read the rows of a file, one at a time; only JSON that is no JSON lines is read as a whole.

    Args:
        path: A file that ends in one of ``ENDINGS``.
        columns: Names of columns as the user gave them, by which the header of a table is told.

    Raises:
        TaskFormatError: Another ending, or a file that cannot be read at all.
        MissingExtraError: Excel or Parquet without the extra ``files``.
    """
    ending = path.suffix.lower()
    if ending not in _READERS:
        msg = f"{path}: a file ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, not {path.suffix!r}"
        raise TaskFormatError(msg)
    with _readable(path):
        yield from _READERS[ending](path, columns or {})


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:  # UTF-16 or cp932 that turns out to be something else
        msg = f"{path}: {NOT_UTF8}"
        raise TaskFormatError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot be read: {error}"
        raise TaskFormatError(msg) from error


def encoding_of(path: Path) -> str:
    """The encoding of a text file: UTF-8, UTF-16 or UTF-32 by its mark, else what its bytes tell.

    Without a mark, UTF-16 and cp932 (Japanese Windows) are taken only where the bytes speak for nothing else; all
    other files are taken for UTF-8, in which the lines that are not will be found.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE)
        if mark := next((name for mark, name in _MARKS if head.startswith(mark)), ""):
            return mark
        if head.count(0) > len(head) // NULS:
            found = from_bytes(head[: len(head) // 2 * 2], cp_isolation=["utf_16_le", "utf_16_be"]).best()
            return found.encoding if found else "utf-8-sig"
        file.seek(0)
        sample = _telling(file)
    return "cp932" if not _is_utf8(sample) and _is_cp932(sample) else "utf-8-sig"


def _telling(file: IO[bytes]) -> bytes:
    """Bytes from the first one on that is not ASCII; empty if there is none."""
    first = next((line for line in file if not line.isascii()), b"")
    sample = first.lstrip(_ASCII) + file.read(SAMPLE)
    if len(sample) <= SAMPLE:
        return sample
    # Half a character would speak against an encoding; these three are never half of one.
    return sample[: max(sample.rfind(whole, 0, SAMPLE) for whole in (b"\n", b'"', b","))]


def _is_utf8(sample: bytes) -> bool:
    try:
        sample.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_cp932(sample: bytes) -> bool:
    """Whether Japanese of Windows is the likeliest reading, and one with kana, which other encodings hardly give."""
    best = from_bytes(sample, cp_isolation=_RIVALS).best()
    return best is not None and best.encoding == "cp932" and bool(_KANA.search(str(best)))


def _opened(path: Path, newline: str | None = None) -> IO[str]:
    encoding = encoding_of(path)
    # What is no UTF-8 becomes half surrogates, which mark its line.
    return path.open(encoding=encoding, errors="surrogateescape" if encoding == "utf-8-sig" else None, newline=newline)


def _shown(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _json_lines(path: Path, _columns: Columns) -> Rows:
    with _opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _json_line(f"{path}, line {number}", number, line.strip())


def _json_line(place: str, number: int, line: str) -> FileRow:
    if _UNDECODED.search(line):
        return FileRow(place, number, {}, NOT_UTF8, _shown(line))
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return FileRow(place, number, {}, f"not JSON ({error})", line)
    return _object(place, number, row, line)


def _object(place: str, number: int, row: Any, raw: str) -> FileRow:
    if not isinstance(row, dict):
        return FileRow(place, number, {}, f"a JSON object is expected, found {type(row).__name__}", raw)
    try:
        finite = _is_finite(row)  # Python's parser takes what JSON does not have
    except RecursionError as error:
        return FileRow(place, number, {}, f"not JSON that could be written again ({error})", raw)
    problem = "" if finite else "NaN and Infinity are no JSON: write null, or leave them out"
    return FileRow(place, number, {} if problem else row, problem, raw if problem else "")


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_is_finite, inside))


def json_document(path: Path) -> Any:
    """The content of a JSON file; None if it is JSON lines, however it ends.

    Raises:
        TaskFormatError: It is neither.
    """
    with _readable(path), _opened(path) as file:
        text = file.read()
    if undecoded := _UNDECODED.search(text):
        line = text.count("\n", 0, undecoded.start()) + 1
        msg = f"{path}, line {line}: {NOT_UTF8}"
        raise TaskFormatError(msg)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            return None
        msg = f"{path}: cannot be read as JSON: {error}"
        raise TaskFormatError(msg) from error


def document_rows(path: Path, content: Any) -> Rows:
    """Read the rows of a JSON file that was parsed by ``json_document``.

    Raises:
        TaskFormatError: They are no list of objects.
    """
    if content is None:
        yield from _json_lines(path, {})
        return
    entries = content
    if isinstance(content, dict):
        entries = next((content[key] for key in ("data", "examples") if key in content), [content])
    if not isinstance(entries, list):
        msg = f"{path}: a list of objects is expected, by itself or as `data` or `examples`"
        raise TaskFormatError(msg)
    for number, entry in enumerate(entries, 1):
        yield _object(f"{path}, entry {number}", number, entry, "")


def _json(path: Path, _columns: Columns) -> Rows:
    yield from document_rows(path, json_document(path))


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line a row of a file begins on, and its cells, for a table without a header and with commas.

    Raises:
        TaskFormatError: It cannot be read.
    """
    with _readable(path), _opened(path, newline="") as file:
        for number, cells, problem in _parsed_lines(file, ","):
            if problem or _UNDECODED.search("".join(cells)):
                msg = f"{path}, line {number}: {problem or NOT_UTF8}"
                raise TaskFormatError(msg)
            yield number, cells


def _delimited(path: Path, columns: Columns) -> Rows:
    with _opened(path, newline="") as file:
        first = next((line for line in file if line.strip()), "")
        separator = _separator(first, columns)
        file.seek(0)
        header: list[str] = []
        for number, cells, problem in _parsed_lines(file, separator):
            place = f"{path}, line {number}"
            if header:
                yield (
                    FileRow(place, number, {}, problem) if problem else _cells(place, number, header, cells, separator)
                )
            elif problem or _UNDECODED.search("".join(cells)):
                msg = f"{place}: {problem or NOT_UTF8}"
                raise TaskFormatError(msg)
            else:
                header = [name.strip() for name in cells]


def _parsed_lines(file: IO[str], separator: str) -> Iterator[tuple[int, list[str], str]]:
    """The line a row begins on, its cells, and what is wrong with it; empty rows are left out."""
    reader, number = csv.reader(file, delimiter=separator, strict=True, skipinitialspace=True), 1
    while True:
        try:
            cells, problem = next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            cells, problem = [], f"not CSV ({error})"
        if problem or any(cells):
            yield number, cells, problem
        number = reader.line_num + 1


def _separator(header: str, columns: Columns) -> str:
    """What parts the cells of a header: with it the most columns are known, then the most there are."""

    def cells(separator: str) -> list[str]:
        return next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])

    return max(SEPARATORS, key=lambda s: (len(named(cells(s), columns)), len(cells(s))))


def _cells(place: str, number: int, header: Sequence[str], cells: Sequence[str], separator: str) -> FileRow:
    raw = separator.join(cells)
    if any(map(_UNDECODED.search, cells)):
        return FileRow(place, number, {}, NOT_UTF8, _shown(raw))
    if len(cells) > len(header):
        wanted = f"a {SEPARATORS[separator]} inside a text needs quotes around the text"
        problem = f"{len(header)} columns are expected, found {len(cells)}; {wanted}"
        return FileRow(place, number, {}, problem, raw)
    return FileRow(place, number, TableRow((n, c) for n, c in zip(header, cells, strict=False) if c and n))


def _excel(path: Path, _columns: Columns) -> Rows:
    """The rows of the first sheet; its first row that is not empty names the columns."""
    openpyxl = require("openpyxl", "files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # styles and the like, which are no matter of the cells
        sheet = _parsed(
            path, "Excel", lambda: openpyxl.load_workbook(path, read_only=True, data_only=True).worksheets[0]
        )
    header: list[str] = []
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        if header and any(cell is not None for cell in cells):
            yield _typed(f"{path}, row {number}", number, zip(header, cells, strict=False), TableRow)
        elif not header and any(cells):
            header = ["" if cell is None else str(cell).strip() for cell in cells]
    sheet.parent.close()


def _parquet(path: Path, _columns: Columns) -> Rows:
    parquet = require("pyarrow.parquet", "files")
    number = 0
    # Page by page: most programs write one group of all rows, which would be read as a whole.
    opened = partial(parquet.ParquetFile, path, pre_buffer=False, buffer_size=PAGE_BYTES)
    with _parsed(path, "Parquet", opened) as file:
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
            for row in batch.to_pylist():
                number += 1
                yield _typed(f"{path}, row {number}", number, row.items(), Row)


def _parsed(path: Path, kind: str, read: Callable[[], Any]) -> Any:
    path.stat()  # nothing of this name is another error
    try:
        return read()
    except Exception as error:  # the libraries raise whatever their parsers do: KeyError, BadZipFile, ArrowInvalid
        msg = f"{path}: cannot be read as {kind}: {error}"
        raise TaskFormatError(msg) from error


def _typed(place: str, number: int, cells: Iterable[tuple[str, Any]], kind: type[Row]) -> FileRow:
    try:
        plain = [(name, _plain(cell)) for name, cell in cells if name]
    except ValueError as error:
        return FileRow(place, number, {}, str(error))
    return FileRow(place, number, kind((name, cell) for name, cell in plain if cell is not None))


def _plain(value: Any) -> Any:
    """A JSON value for that of a cell; None for NaN, by which tables say that nothing is there."""
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return None
        msg = f"{value} is no number that could be written again"
        raise ValueError(msg)
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else str(value)


_READERS: dict[str, Callable[[Path, Columns], Rows]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _delimited,
    ".tsv": _delimited,
    ".xlsx": _excel,
    ".parquet": _parquet,
}
ENDINGS = tuple(_READERS)
"""How the files end that are read."""
