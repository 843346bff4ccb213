#!/usr/bin/env python3
"""Writes docs/plugins/hooks.md and docs/expressions.md from the code; ``--check``: are they stale?"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "core/plugins/hookspecs.py"
TARGET = ROOT / "docs/plugins/hooks.md"
FORMULAS = ROOT / "docs/expressions.md"
PARTS = ("When", "Return", "Errors", "Example", "Since")

HEAD = """\
# Hooks

A plugin's `plugin.py` implements hooks with `@hookimpl` from `core.plugins`. An implementation may
leave out parameters that it does not need. This page is made by `tools/docs.py` from
`core/plugins/hookspecs.py`; do not edit it.

**What happens when an implementation fails**, that is, raises or returns something else than is
written here. The plugin is named in the log each time.

| hooks | rule |
|---|---|
| `register_*`, `app_ready` | *held back*: the suite starts without the plugin and its dependants; the Apps page says why |
| `validate_changes`, `before_changes`, `after_changes`, `request_consent` | *veto*: the whole write is rolled back; the caller is told which module failed |
| `plugin_enabled`, `plugin_disabled` | *veto*: the switch is not turned; the Apps page says why |
| `check_permission`, `scope_query` | *veto*: the access is refused, for silence would grant it |
| `authenticate`, `adjust_form`, `adjust_list`, `record_actions`, `resolve_theme` | *isolate*: counts as no answer |

An implementation that raises `core.errors.Refusal` (`Invalid`, `Refused`, `Forbidden` …) in a
transaction is not failing: it refuses, and the caller is given its words.

**Who goes on failing is switched off.** When one hook of a plugin, but for `register_*` and the two
switches, fails 20 times in a row within ten minutes in one process, the plugin is switched off for
all processes, with what needs it; the audit trail and the Apps page say why, and an administrator
switches it on again. The number is the setting "Modules"; 0 leaves every plugin on. An answer in
between ends the row, and a database that is away does not count. A plugin that implements
`check_permission` or `scope_query` stays on and goes on refusing: without it more would be open.

**A hook that never returns** cannot be ended by Python. It keeps its thread, and what its
transaction has locked, until the process is ended; other threads and processes go on. A job that
hangs is given up after its `time_limit`, counts as failed, and its late result is not kept.
"""

SECTIONS = {
    "register_entities": ("Register", "At boot, pure, no database; data is returned."),
    "validate_changes": (
        "In the transaction",
        "Called with all changes of one write at once. No network, no mail: publish an event.",
    ),
    "authenticate": ("Questions", "During a request; an answer or None."),
}


FORMULAS_HEAD = """\
# Formulas

Computed fields are worked out by formulas, much as in a spreadsheet. An administrator publishes one under
Administration → Fields, or over REST (`"kind": "computed", "expression": …, "result": …`). This page is
made by `tools/docs.py` from `core/expressions`; do not edit it.

    SUM(lines.quantity * lines.product.cost)
    IF([客户.等级] = "A", 金额 * 0.9, 金额)
    LOOKUP("rates", customer.level.name, "折扣", "number")
    WORKDAY(signed_on, 10)

## What may be written

- **Fields** by name or by label, in any language of the suite: `amount`, `金额`, `[Expected amount]`. Brackets are
  needed where a label has blanks or signs. Capitals and full-width forms do not count.
- **Fields of records that are referred to**: `customer.level`, `[客户.等级]`, `lead.owner.name`, over at most {references}
  references, and of child lines within a function: `SUM(lines.product.cost)`. Only single values; an archived
  record keeps giving its values.
- **Operators** `+ - * / & = <> < <= > >= and or not`, also full-width; `5%`; texts in `"…"`, `'…'` or `“…”`; `true`, `false`, `null`
  (真, 假, 空).
- **Empty** propagates: what is worked out from nothing is empty; so is a division by zero. `IFNULL` gives something else.
- A date plus a number is a date; a date minus a date are days.

Numbers are exact decimals with at most {whole} digits before and {decimals} after the point; they are rounded half up. A formula has at
most {characters} characters, {depth} levels, and {steps} steps when it is computed. A value that cannot be computed, or does not
fit into its field, is empty. Mistakes are told with the character at which they stand.

## Functions

| function | 中文 | what it gives |
|---|---|---|
{functions}

`TODAY` and `NOW` cannot be used in a stored field, for its value would not change with the day. The functions {without} are
computed in Python alone; all others can be computed by the database too, with the same results.

## Reference tables

Under *Reference tables* a company keeps tables that formulas look into: a name, a label, the name of the key and up to eight columns;
the *Rows of reference tables* hold a key and a cell for each column, as text. They are records like any others: with rights, lists,
forms, import, export and REST (`lookup_table`, `lookup_row`).

`LOOKUP("table", key, "column", "kind", "match")` finds the table by its name (else its label), the row by its key and the column by its
name; capitals do not count. `kind` is `"number"` (unless given), `"text"`, `"boolean"`, `"date"` or `"datetime"` (数字, 文本, 是否, 日期,
日期时间); a number may be written `1,250.5` or `8.5%`, a date `2026-05-01`. A cell that is not of that kind, a key and a
column that do not exist give nothing. `match` is `"exact"` (精确), or for numbers `"at or below"` (不大于): the greatest key that is not above
the number, as for price breaks and tax brackets. A table has at most 20,000 rows.

## The calendar

`WORKDAYS` and `WORKDAY` work from Monday to Friday, but for the days in the *Calendar* (`calendar_day`): a date, whether it is a
day off or a working day (调休), and the occasion. None are delivered: import what your authorities publish.

## When values change

Values are stored, so that they filter, sort and sum. When something changes that a formula reads — a field of the record, of a record
that it refers to, of a line, a row of a table, a day of the calendar — all that hang on it are computed again: in the same
transaction up to 1,000 records, above that by a job that the Jobs page shows. The same holds for the records that exist already when a
field is published. Computing again is no edit: the version, “updated at” and the audit trail of the record stay as they are, and open
forms stay good. Formulas that would be computed from themselves are refused with the names on the circle. A formula may read fields
that its reader may not see; who publishes it decides that, and who may see the result is a field right like any other.
"""


def hooks_of(source: str) -> list[tuple[str, str, str, bool]]:
    """(name, signature, docstring, first answer wins) of each hook, in the order of the file."""
    found = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef) or not node.decorator_list:
            continue
        arguments = ast.unparse(node.args)
        returns = ast.unparse(node.returns) if node.returns else "None"
        first = "firstresult" in ast.unparse(node.decorator_list[0])
        signature = f"{node.name}({arguments}) -> {returns}"
        found.append((node.name, signature, ast.get_docstring(node) or "", first))
    return found


def parts_of(docstring: str) -> tuple[str, dict[str, str]]:
    """The sentence, and the text of each of `PARTS`; raises `ValueError` when one is missing."""
    sentence, _blank, rest = docstring.partition("\n\n")
    parts: dict[str, str] = {}
    current = ""
    for line in rest.splitlines():
        word = line.partition(":")[0]
        if word in PARTS:
            current = word
            line = line.partition(":")[2].strip()
        if not current:
            raise ValueError(f"“{line}” belongs to none of {', '.join(PARTS)}")
        parts[current] = f"{parts.get(current, '')} {line}".strip()
    if missing := [part for part in PARTS if not parts.get(part)]:
        raise ValueError(f"without {', '.join(missing)}")
    return " ".join(sentence.split()), parts


def page(source: str) -> str:
    """The whole page."""
    lines = [HEAD]
    for name, signature, docstring, first in hooks_of(source):
        if name in SECTIONS:
            title, text = SECTIONS[name]
            lines.append(f"## {title}\n\n{text}\n")
        try:
            sentence, parts = parts_of(docstring)
        except ValueError as error:
            raise SystemExit(f"{name}: {error}") from error
        lines.append(f"### `{name}`\n\n```python\n{signature}\n```\n\n{sentence}\n")
        if first:
            lines.append("The first answer, in the order of the plugins, is taken.\n")
        lines.append("\n".join(f"- **{part}**: {parts[part]}" for part in PARTS) + "\n")
    return "\n".join(lines)


def formulas_page() -> str:
    """The page of the expression language, with a row for each entry of its table of functions."""
    sys.path.insert(0, str(ROOT))
    from core.expressions import describe_functions
    from core.expressions.limits import (
        DECIMALS,
        MAX_CHARACTERS,
        MAX_DEPTH,
        MAX_REFERENCES,
        MAX_STEPS,
        WHOLE_DIGITS,
    )
    from core.i18n import use_locale

    with use_locale("en"):
        functions = describe_functions()
    rows = [
        f"| `{each.signature}` | {'、'.join(each.other_names)} | {each.summary} |"
        for each in functions
    ]
    without = sorted(each.signature for each in functions if not each.has_sql)
    return FORMULAS_HEAD.format(
        functions="\n".join(rows),
        without=", ".join(f"`{name}`" for name in without),
        characters=MAX_CHARACTERS,
        depth=MAX_DEPTH,
        references=MAX_REFERENCES,
        steps=f"{MAX_STEPS:,}",
        whole=WHOLE_DIGITS,
        decimals=DECIMALS,
    )


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` say whether they are as they would be written."""
    pages = {TARGET: page(SOURCE.read_text(encoding="utf-8")), FORMULAS: formulas_page()}
    stale = 0
    for target, wanted in pages.items():
        if arguments != ["--check"]:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(wanted, encoding="utf-8")
        elif not target.is_file() or target.read_text(encoding="utf-8") != wanted:
            print(f"{target.name} is stale: run tools/docs.py", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
