"""I6: the texts of mails know three words; whatever else stands in them is text."""

from __future__ import annotations

import itertools
import re
import time

from plugins.crm_leads.public_forms import merged, unfillable

LEAD = {"contact_name": "王建国", "company": "潍坊访客"}
US = "斗拱机械"
KNOWN = {"name": "王建国", "company": "潍坊访客", "us": US}

#: What gets out of sandboxes of other languages, by itself and in each kind of brackets.
WAYS = (
    "name.__class__", "name.__class__.__mro__[1].__subclasses__()", "name.__init__.__globals__",
    "us.__class__.__base__", "company.format", "name[0]", "name!r", "name!s:>99999999", "name:>999999999",
    "0", "0.__class__", "self", "self.__dict__", "config", "config.items()", "request", "g", "cycler",
    "lipsum.__globals__['os'].popen('id').read()", "''.__class__", "7*7", "name|attr('__class__')",
    "name|map('upper')", "name|e", "namespace()", "loop.index", "super()", "caller()", "joiner", "range(9)",
    "include 'x'", "import os", "for x in y", "if 1", "set x=1", "macro x()", "raw", "name name", "name,us",
    "NAME", "Name", "ｎａｍｅ", "na\u200bme", "name\x00", "../name", "name/../us", "__class__", "email",
    "mobile", "owner", "id", "company.owner", "lead", "password", "%(name)s", "$name", "${name}",
)  # fmt: skip
BRACKETS = (
    "{%s}", "{{%s}}", "{{ %s }}", "{%% %s %%}", "{# %s #}", "${%s}", "<%%= %s %%>", "#{%s}", "[[%s]]",
)  # fmt: skip
CORPUS = [bracket % way for bracket, way in itertools.product(BRACKETS, WAYS)]


def test_only_the_three_words_are_filled_in():
    """I6: more than 300 ways out of other languages of templates; nothing but the three is replaced."""
    assert len(CORPUS) > 300
    for text in CORPUS:
        plain = re.sub(r"\{\s*(name|company|us)\s*\}", lambda match: KNOWN[match[1]], text)
        assert merged(text, LEAD, US) == plain
        assert merged(f"{text} {{name}}", LEAD, US) == f"{plain} 王建国"


def test_what_is_filled_in_is_not_read_again():
    """I6: a visitor who is called `{us}` stays so, and no words of two fields come together."""
    odd = {"contact_name": "{us}", "company": "{name}{"}
    assert merged("{name} {company}us}", odd, US) == "{us} {name}{us}"


def test_a_long_text_takes_no_time():
    """I6: as many brackets as a long text has signs, in two seconds at most."""
    for text in ("{" * 200_000, "{name" * 40_000, "{" * 100_000 + "}" * 100_000, "{}" * 100_000):
        begun = time.perf_counter()
        merged(text, LEAD, US)
        unfillable(text)
        assert time.perf_counter() - begun < 2, text[:20]


def test_a_language_with_attributes_would_be_noticed():
    """The positive control: the same corpus in Python's own format tells of more than the words."""
    told = []
    for text in CORPUS:
        try:
            found = text.format(**KNOWN) if "99999" not in text else ""
        except (KeyError, ValueError, IndexError, AttributeError, TypeError):
            continue
        if found != merged(text, LEAD, US):
            told.append(text)
    assert any("__class__" in text for text in told)
