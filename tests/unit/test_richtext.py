"""Rich text keeps its words and loses what could run (I12)."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from core.richtext import clean_html, to_plain

KEPT_TAGS_TEXT = """
a b blockquote br code del em h2 h3 h4 hr i li ol p pre s strong sub sup
table tbody td tfoot th thead tr u ul
"""
KEPT_TAGS = set(KEPT_TAGS_TEXT.split())
KEPT_ATTRIBUTES = {"href", "title", "rel", "start", "colspan", "rowspan"}

HOSTILE = r"""
<script>alert(1)</script>
<SCRIPT SRC=//x.example/a.js></SCRIPT>
<scr<script>ipt>alert(1)</scr</script>ipt>
<script/x>alert(1)</script>
<script >alert(1)</script >
<<script>alert(1)//<</script>
<svg onload=alert(1)>
<svg><script>alert(1)</script></svg>
<svg><style><img src=x onerror=alert(1)></style></svg>
<svg><animate onbegin=alert(1) attributeName=x dur=1s>
<svg><a xlink:href="javascript:alert(1)"><text y=9>x</text></a></svg>
<svg><use href="data:image/svg+xml,<svg id=x onload=alert(1)>#x"/></svg>
<svg><foreignObject><iframe src=javascript:alert(1)></iframe></foreignObject></svg>
<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>
<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>
<math href="javascript:alert(1)">x</math>
<img src=x onerror=alert(1)>
<img src=javascript:alert(1)>
<img src="x` `<script>alert(1)</script>"` `>
<img srcset="x 1x" onerror=alert(1)>
<image src=x onerror=alert(1)>
<input onfocus=alert(1) autofocus>
<input type=image src=javascript:alert(1)>
<select onfocus=alert(1) autofocus><option>x</select>
<textarea onfocus=alert(1) autofocus></textarea>
<textarea><img title="</textarea><img src onerror=alert(1)>">
<keygen autofocus onfocus=alert(1)>
<video><source onerror=alert(1)></video>
<video poster=javascript:alert(1)></video>
<audio src=x onerror=alert(1)></audio>
<body onload=alert(1)>
<body background="javascript:alert(1)">
<iframe src=javascript:alert(1)></iframe>
<iframe srcdoc="<script>alert(1)</script>"></iframe>
<frameset onload=alert(1)>
<object data=javascript:alert(1)></object>
<object data="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==">
<embed src=javascript:alert(1)>
<applet code=x></applet>
<base href=javascript:alert(1)//>
<link rel=stylesheet href=javascript:alert(1)>
<link rel=import href=//x.example>
<meta http-equiv=refresh content="0;url=javascript:alert(1)">
<style>@import 'javascript:alert(1)';</style>
<style>*{background:url(javascript:alert(1))}</style>
<p style="background:url(javascript:alert(1))">x</p>
<p style="position:fixed;inset:0">x</p>
<p class="button danger" id="login">x</p>
<p onclick=alert(1)>x</p>
<p onmouseover="alert(1)">x</p>
<p ONMOUSEOVER=alert(1)>x</p>
<p/onclick=alert(1)>x</p>
<p hx-get="/x" hx-trigger="load">x</p>
<p data-hx-post="/x">x</p>
<a href="javascript:alert(1)">x</a>
<a href="JaVaScRiPt:alert(1)">x</a>
<a href=" javascript:alert(1)">x</a>
<a href="&#106;avascript:alert(1)">x</a>
<a href="&#x6A;&#x61;vascript:alert(1)">x</a>
<a href="java&#09;script:alert(1)">x</a>
<a href="java&#10;script:alert(1)">x</a>
<a href="&#1;javascript:alert(1)">x</a>
<a href="javascript&colon;alert(1)">x</a>
<a href="vbscript:msgbox(1)">x</a>
<a href="data:text/html,<script>alert(1)</script>">x</a>
<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>
<a href="blob:https://x.example/1">x</a>
<a href="file:///etc/passwd">x</a>
<a href="ftp://x.example/">x</a>
<a href="tel:1" onclick=alert(1)>x</a>
<a href="//x.example/">x</a>
<a href="/admin/delete?id=1">x</a>
<a href="\\x.example">x</a>
<a href="https://x.example" target=_top onclick=alert(1)>x</a>
<a href="https://x.example" rel=opener>x</a>
<a href="https://x.example" ping="//y.example" download>x</a>
<a href="https://x.example/&quot;onclick=alert(1)">x</a>
<a href='https://x.example/"onclick="alert(1)'>x</a>
<a name=location id=document href="mailto:a@b.cn">x</a>
<form action=javascript:alert(1)><input type=submit></form>
<form id=f><button form=f formaction=javascript:alert(1)>x</button></form>
<button formaction=javascript:alert(1)>x</button>
<isindex action=javascript:alert(1) type=image>
<details open ontoggle=alert(1)>x</details>
<marquee onstart=alert(1)>x</marquee>
<dialog open onclose=alert(1)>x</dialog>
<template><script>alert(1)</script></template>
<noscript><p title="</noscript><img src=x onerror=alert(1)>">
<noembed><img title="</noembed><img src onerror=alert(1)>"></noembed>
<xmp><p title="</xmp><img src onerror=alert(1)>">
<plaintext><img src=x onerror=alert(1)>
<title><img title="</title><img src onerror=alert(1)>">
<!--><img src=x onerror=alert(1)>-->
<!-- --!><img src=x onerror=alert(1)> -->
<![CDATA[><img src=x onerror=alert(1)>]]>
<?xml version="1.0"?><script>alert(1)</script>
<!DOCTYPE x [<!ENTITY a "<script>alert(1)</script>">]><p>&a;</p>
<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>
<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">
<table background=javascript:alert(1)><tr><td background=x>y</table>
<td colspan="2" onclick=alert(1)>x</td>
<custom-element onclick=alert(1)>x</custom-element>
<slot name=x onslotchange=alert(1)></slot>
<portal src=javascript:alert(1)></portal>
"""
CASES = [line for line in HOSTILE.splitlines() if line]


class _Reader(HTMLParser):
    """An independent reader of the result: every tag and attribute that is really there."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in KEPT_TAGS:
            self.problems.append(tag)
        for name, value in attrs:
            if name not in KEPT_ATTRIBUTES:
                self.problems.append(f"{tag} {name}")
            if name == "href" and not (value or "").startswith(("http://", "https://", "mailto:")):
                self.problems.append(f"{tag} {name}={value}")
        if tag == "a" and "noopener" not in (dict(attrs).get("rel") or ""):
            self.problems.append("a without noopener")

    handle_startendtag = handle_starttag

    def handle_comment(self, data: str) -> None:
        self.problems.append("comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


def _problems(html: str) -> list[str]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.problems


def test_there_are_enough_cases():
    assert len(set(CASES)) >= 80


@pytest.mark.parametrize("text", CASES)
def test_nothing_that_runs_is_left(text):
    for variant in (
        text,
        f"<p>{text}</p>",
        f"<ul><li>{text}",
        text.replace("<", "<\0"),
        f"<b\n>{text}",
    ):
        cleaned = clean_html(variant)
        assert _problems(cleaned) == []
        assert clean_html(cleaned) == cleaned


def test_the_reader_of_this_test_sees_what_is_there():
    """The control: most of the cases, uncleaned, are objected to."""
    assert sum(bool(_problems(text)) for text in CASES) > 0.9 * len(CASES)


@pytest.mark.parametrize(
    "text",
    [
        "<p>张三 <strong>A</strong> &amp; <em>B</em></p>",
        '<h2>x</h2><ul><li>a</li><li>b</li></ul><ol start="3"><li>c</li></ol>',
        '<table><tbody><tr><th>a</th><td colspan="2">b</td></tr></tbody></table>',
        "<pre><code>if a &lt; b:</code></pre><hr><blockquote>q<br>r</blockquote>",
        '<a href="mailto:a@b.cn" rel="noopener noreferrer nofollow">x</a>',
        '<a href="https://x.example/?a=1&amp;b=2" title="t" rel="noopener noreferrer nofollow">x</a>',
    ],
)
def test_notes_stay_as_they_are(text):
    assert clean_html(text) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p>a</p><p>b</p>", "a\nb"),
        ("a<br>b", "a\nb"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<p>1 &lt; 2 &amp;&nbsp;3</p>", "1 < 2 & 3"),
        ("<p>a</p>\n\n\n\n<p>b</p>", "a\n\nb"),
        ("<script>x</script>a<style>y</style>", "a"),
        ("plain < text", "plain < text"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("", ""),
    ],
)
def test_the_words_are_kept(text, plain):
    assert to_plain(text) == plain
