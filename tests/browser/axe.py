"""The checks of axe-core for WCAG 2.2, levels A and AA, in the page that a tab shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
_RUN = """async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
    const found = await axe.run(document, { runOnly: { type: "tag", values: tags } });
    return found.violations.flatMap((each) => each.nodes.map(
        (node) => `${each.id}: ${node.target.join(" ")} · ${node.html.slice(0, 160)}`));
}"""


def violations(tab: Any) -> list[str]:
    """``rule: element · its HTML`` of each breach."""
    tab.evaluate(_AXE)
    return list(tab.evaluate(_RUN))
