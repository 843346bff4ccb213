"""The checks of axe-core for WCAG 2.2, levels A and AA, in the page that a tab shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
#: Colours that are on their way to others, as after a change of scheme, are not what one reads.
_RUN = """async (rules) => {
    const moving = document.getAnimations().filter((each) => each instanceof CSSTransition);
    await Promise.allSettled(moving.map((each) => each.finished));
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
    const only = rules.length ? { type: "rule", values: rules } : { type: "tag", values: tags };
    const found = await axe.run(document, { runOnly: only });
    return found.violations.flatMap((each) => each.nodes.map(
        (node) => `${each.id}: ${node.target.join(" ")} · ${node.html.slice(0, 160)}`));
}"""


#: The rules that hang on colours and sizes alone.
LOOKS = ("color-contrast", "link-in-text-block", "target-size")
#: Of a screen on which nothing needs scrolling (px).
_TALL = 6_000


def violations(tab: Any, rules: Sequence[str] = ()) -> list[str]:
    """``rule: element · its HTML`` of each breach, of these rules or of all.

    What a bar that stays in sight happens to cover at one height of the screen can be scrolled free:
    what is wrong is so on a tall screen too.
    """
    tab.evaluate(_AXE)
    found = list(tab.evaluate(_RUN, list(rules)))
    if any(each.startswith("target-size") for each in found):
        size = tab.viewport_size
        tab.set_viewport_size({**size, "height": _TALL})
        found = [each for each in tab.evaluate(_RUN, list(rules)) if each in found]
        tab.set_viewport_size(size)
    return found
