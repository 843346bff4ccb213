"""Source text to tokens; full-width punctuation, digits and letters count as their ASCII forms."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from core.expressions.errors import ExpressionError
from core.expressions.limits import BLANKS, MAX_CHARACTERS, MAX_TOKENS
from core.expressions.symbols import fold
from core.i18n import gettext as _

__all__ = ["WORDS", "Token", "tokenize"]


class Token(NamedTuple):
    """``kind`` is ``number``, ``text``, ``name``, ``label``, ``end``, a word or the sign itself."""

    kind: str
    value: Any
    start: int
    end: int


#: Words with a meaning of their own; in brackets they are ordinary labels.
WORDS = {
    **dict.fromkeys(("and", "且", "并且", "与"), "and"),
    **dict.fromkeys(("or", "或", "或者"), "or"),
    **dict.fromkeys(("not", "非"), "not"),
    **dict.fromkeys(("true", "真"), "true"),
    **dict.fromkeys(("false", "假"), "false"),
    **dict.fromkeys(("null", "空"), "null"),
}

_WIDE_DIGITS = str.maketrans("０１２３４５６７８９．", "0123456789.")
_WIDE_SIGNS = str.maketrans("＋－−×÷＊／＆＝＜＞（），；％．", "+--*/*/&=<>(),;%.")
_SIGNS: dict[str, str] = {
    **{sign: sign for sign in ("<=", ">=", "<>", *"+-*/&=<>(),%.")},
    **{"≤": "<=", "≥": ">=", "≠": "<>", ";": ","},
}

_TOKEN = re.compile(
    rf"[{BLANKS}]*(?:"
    r"(?P<number>[0-9０-９]+(?:[.．][0-9０-９]+)?|[.．][0-9０-９]+)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<text>\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|“[^”]*”)"
    r"|(?P<label>\[[^\[\]]+\]|［[^［］]+］)"
    r"|(?P<sign>[<＜][=＝>＞]|[>＞][=＝]"
    r"|[-+*/&=<>(),;%.＋－−×÷＊／＆＝＜＞（），；％．≤≥≠])"
    r"|$)"
)
#: Control characters, halves of surrogate pairs, and marks that reorder what the reader sees.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def tokenize(source: str) -> list[Token]:
    """The tokens of ``source``, closed by one of kind ``end``."""
    if len(source) > MAX_CHARACTERS:
        message = _("An expression has at most %(n)s characters; split it.", n=MAX_CHARACTERS)
        raise ExpressionError(message, MAX_CHARACTERS + 1, len(source) - MAX_CHARACTERS)
    hidden = _HIDDEN.search(source)
    if hidden:
        message = _("There is an invisible control character here; delete it.")
        raise ExpressionError(message, hidden.start() + 1, 1)
    tokens: list[Token] = []
    position, size, match_at = 0, len(source), _TOKEN.match
    while position < size:
        match = match_at(source, position)
        if match is None:
            raise _unreadable(source, position)
        kind = match.lastgroup
        if kind is None:
            break
        start, position = match.span(kind)
        tokens.append(_token(kind, match[kind], start, position))
    if len(tokens) > MAX_TOKENS:
        extra = tokens[MAX_TOKENS]
        message = _("An expression has at most %(n)s words and signs; split it.", n=MAX_TOKENS)
        raise ExpressionError(message, extra.start + 1, extra.end - extra.start)
    tokens.append(Token("end", "", size, size))
    return tokens


def _token(kind: str, text: str, start: int, end: int) -> Token:
    if kind == "sign":
        return Token(_SIGNS.get(text) or _sign(text), text, start, end)
    if kind == "name":
        return Token(WORDS.get(fold(text), "name"), text, start, end)
    if kind == "number":
        return Token(kind, text if text.isascii() else text.translate(_WIDE_DIGITS), start, end)
    if kind == "label":
        return Token(kind, text[1:-1].strip(), start, end)
    quote, body = text[0], text[1:-1]
    return Token(kind, body if quote == "“" else body.replace(quote * 2, quote), start, end)


def _sign(text: str) -> str:
    return _SIGNS[text.translate(_WIDE_SIGNS)]


def _unreadable(source: str, position: int) -> ExpressionError:
    position += len(source[position:]) - len(source[position:].lstrip(BLANKS))
    character = source[position]
    if character in "\"'“":
        message = _("This text has no closing quotation mark.")
        return ExpressionError(message, position + 1, len(source) - position)
    if character in "[［":
        message = _("This label has no closing bracket ].")
        return ExpressionError(message, position + 1, len(source) - position)
    if source.startswith("!=", position):
        return ExpressionError(_("Write <> for “is not equal”."), position + 1, 2)
    message = _("The character %(character)s has no meaning here.", character=character)
    return ExpressionError(message, position + 1, 1)
