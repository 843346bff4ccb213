#!/usr/bin/env python3
"""Writes docs/plugins/hooks.md from core/plugins/hookspecs.py; ``--check`` fails when it is stale."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "core/plugins/hookspecs.py"
TARGET = ROOT / "docs/plugins/hooks.md"
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
| `validate_changes`, `before_changes`, `after_changes` | *veto*: the whole write is rolled back; the caller is told which module failed |
| `plugin_enabled`, `plugin_disabled` | *veto*: the switch is not turned; the Apps page says why |
| `check_permission`, `scope_query` | *veto*: the access is refused, for silence would grant it |
| `authenticate`, `adjust_form`, `adjust_list`, `record_actions`, `resolve_theme` | *isolate*: counts as no answer |

An implementation that raises `core.errors.Refusal` (`Invalid`, `Refused`, `Forbidden` …) in a
transaction is not failing: it refuses, and the caller is given its words.
"""

SECTIONS = {
    "register_entities": ("Register", "At boot, pure, no database; data is returned."),
    "validate_changes": (
        "In the transaction",
        "Called with all changes of one write at once. No network, no mail: publish an event.",
    ),
    "authenticate": ("Questions", "During a request; an answer or None."),
}


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


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` say whether it is as it would be written."""
    wanted = page(SOURCE.read_text(encoding="utf-8"))
    if arguments == ["--check"]:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == wanted:
            return 0
        print(f"{TARGET.relative_to(ROOT)} is stale: run tools/docs.py", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
