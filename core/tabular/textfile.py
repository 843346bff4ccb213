"""Delimited text files: which encoding, which delimiter, and their records."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.i18n import lazy_gettext as _l
from core.tabular.errors import TableError, TableLimits

__all__ = ["ENCODINGS", "TextLayout", "inspect_text", "read_records"]

#: What a person may choose when the encoding of a file cannot be told for certain.
ENCODINGS = ("utf-8", "gb18030", "big5", "utf-16", "utf-16-le", "utf-16-be", "shift_jis", "cp1252")
_DELIMITERS = (",", "\t", ";", "|")
_CHUNK = 1 << 18
_SAMPLE_RECORDS = 40
_SAMPLE_CHARACTERS = 1 << 16
_GB_SAMPLE = 1 << 18
_GB_UNIT = re.compile(
    rb"[\x81-\xfe][\x30-\x39][\x81-\xfe][\x30-\x39]|([\x81-\xfe][\x40-\x7e\x80-\xfe])|[\x00-\x80]+"
)
#: Simplified Chinese in daily use, with its punctuation and full-width forms: the GB2312 plane.
_GB_USUAL = re.compile(rb"[\xa1-\xa9\xb0-\xf7][\xa1-\xfe]")
#: Above this share of other characters the bytes are more likely another encoding (or damaged
#: UTF-8) that happens to decode.
_GB_UNUSUAL_SHARE = 0.3
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class TextLayout:
    """How the text of a file is to be read."""

    encoding: str
    delimiter: str


def inspect_text(
    path: Path, filename: str, encoding: str | None, limits: TableLimits
) -> TextLayout:
    """Decode the whole file strictly once and name its encoding and delimiter."""
    if path.stat().st_size > limits.unpacked:
        raise TableError(
            _l(
                "The file is larger than %(size)s MB. Split it into smaller files.",
                size=limits.unpacked // 1_000_000,
            ),
            "too_large",
        )
    encoding = _given(encoding) if encoding else _detect_encoding(path, limits)
    return TextLayout(encoding, _detect_delimiter(_sample(path, encoding), filename))


def read_records(path: Path, layout: TextLayout) -> Iterator[tuple[int, list[str]]]:
    """The records of the file, each with the physical line it starts on, counted from 1."""
    with path.open(encoding=layout.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=layout.delimiter, strict=True)
        line = 1
        try:
            for record in reader:
                yield line, record
                line = reader.line_num + 1
        except csv.Error as error:
            raise TableError(
                _l(
                    "The quotation marks of the record that starts on line %(line)s do not match, "
                    "or a cell in it is far too long. Correct that line and retry.",
                    line=line,
                ),
                "quotes",
            ) from error


def _given(encoding: str) -> str:
    if encoding not in ENCODINGS:
        raise TableError(_l("The encoding “%(name)s” is not known.", name=encoding), "encoding")
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _detect_encoding(path: Path, limits: TableLimits) -> str:
    with path.open("rb") as file:
        start = file.read(4096)
    for mark, name in _MARKS:
        if start.startswith(mark):
            if _decodes(path, name, limits):
                return name
            raise _undecodable()
    if b"\0" in start:
        raise _binary()
    if _decodes(path, "utf-8", limits):
        return "utf-8"
    if not _decodes(path, "gb18030", limits) or not _is_plausible_chinese(path):
        raise _undecodable()
    return "gb18030"


def _binary() -> TableError:
    return TableError(
        _l("The file contains binary data. Save it as .csv or .xlsx and retry."), "binary"
    )


def _undecodable() -> TableError:
    return TableError(
        _l(
            "The encoding of the file cannot be told for certain, or some bytes are damaged. "
            "Save it as “CSV UTF-8” or .xlsx, or choose the encoding yourself."
        ),
        "encoding",
    )


def _decodes(path: Path, encoding: str, limits: TableLimits) -> bool:
    """Whether every byte decodes; refuses what no encoding would make a table."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    longest = limits.columns * limits.cell
    run = 0
    try:
        for text in _decoded(path, decoder.decode):
            if "\0" in text:
                raise _binary()
            at = max(text.rfind("\n"), text.rfind("\r"))
            run = run + len(text) if at < 0 else len(text) - at
            if run > longest:
                raise TableError(
                    _l("A line of the file is far too long. Check its line ends and delimiter."),
                    "line_too_long",
                )
    except UnicodeDecodeError:
        return False
    return True


def _decoded(path: Path, decode: Callable[[bytes, bool], str]) -> Iterator[str]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield decode(chunk, False)
    yield decode(b"", True)


def _is_plausible_chinese(path: Path) -> bool:
    with path.open("rb") as file:
        pairs = Counter(_GB_UNIT.findall(file.read(_GB_SAMPLE)))
    pairs.pop(b"", None)  # what is no pair of bytes
    unusual = sum(count for pair, count in pairs.items() if not _GB_USUAL.match(pair))
    return unusual <= _GB_UNUSUAL_SHARE * pairs.total()


def _sample(path: Path, encoding: str) -> str:
    try:
        with path.open(encoding=encoding, newline="") as file:
            return file.read(_SAMPLE_CHARACTERS)
    except UnicodeError as error:
        raise _undecodable() from error


def _detect_delimiter(sample: str, filename: str) -> str:
    """The delimiter that splits the most records into the same number of cells."""
    preferred = "\t" if filename.lower().endswith(".tsv") else ","
    candidates = sorted(_DELIMITERS, key=lambda delimiter: delimiter != preferred)
    return max(candidates, key=lambda delimiter: _fitness(sample, delimiter))


def _fitness(sample: str, delimiter: str) -> tuple[float, int]:
    lines = sample.splitlines(keepends=True)
    records = csv.reader(lines, delimiter=delimiter)
    try:
        widths = [len(record) for record in islice(records, _SAMPLE_RECORDS) if any(record)]
    except csv.Error:
        return 0.0, 0
    if not widths:
        return 0.0, 0
    width, count = Counter(widths).most_common(1)[0]
    return (round(count / len(widths), 1), width) if width > 1 else (0.0, 0)
