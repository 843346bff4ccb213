"""The XML parser takes documents and refuses attacks (I11)."""

from __future__ import annotations

import time

import pytest

from core.xml import XmlError, parse_xml

BILLION = (
    b"<!DOCTYPE a [<!ENTITY b '1'><!ENTITY c '&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;'>]><a>&d;</a>"
)

HOSTILE = {
    "doctype": b"<!DOCTYPE a><a/>",
    "doctype in utf-16": "<?xml version='1.0' encoding='utf-16'?><!DOCTYPE a><a/>".encode("utf-16"),
    "internal entity": b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "billion laughs": BILLION,
    "quadratic": b"<!DOCTYPE a [<!ENTITY b '"
    + b"x" * 50_000
    + b"'>]><a>"
    + b"&b;" * 5000
    + b"</a>",
    "external file": b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    "external address": b"<!DOCTYPE a SYSTEM 'http://127.0.0.1/a.dtd'><a/>",
    "public identifier": b"<!DOCTYPE a PUBLIC '-//x' 'http://127.0.0.1/a.dtd'><a/>",
    "parameter entity": b"<!DOCTYPE a [<!ENTITY % b SYSTEM 'file:///etc/passwd'> %b;]><a/>",
    "attribute list": b"<!DOCTYPE a [<!ATTLIST a b CDATA 'c'>]><a/>",
    "undefined entity": b"<a>&nbsp;</a>",
    "deep": b"<a>" * 101 + b"</a>" * 101,
    "very deep": b"<a>" * 200_000,
    "many": b"<a>" + b"<b/>" * 100_000 + b"</a>",
    "unclosed": b"<a>",
    "two roots": b"<a/><b/>",
    "empty": b"",
    "not xml": b"hello",
    "null": b"<a>\0</a>",
    "twice the attribute": b"<a b='1' b='2'/>",
    "unknown prefix": b"<a:b/>",
    "unknown encoding": b"<?xml version='1.0' encoding='utf-7'?><a/>",
    "no such encoding": b"<?xml version='1.0' encoding='nonsense'?><a/>",
    "codec that is no text": b"<?xml version='1.0' encoding='base64'?><a/>",
    "wrong bytes": b"<a>\xff\xfe</a>",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_documents_are_refused_at_once(data):
    started = time.perf_counter()
    with pytest.raises(XmlError):
        parse_xml(data)
    assert time.perf_counter() - started < 10


def test_a_document_is_read():
    text = (
        "<?xml version='1.0' encoding='utf-8'?><xml><To><![CDATA[<a>&]]></To><N>张三&amp;</N></xml>"
    )
    root = parse_xml(text.encode())
    assert [(child.tag, child.text) for child in root] == [("To", "<a>&"), ("N", "张三&")]


def test_inclusions_and_style_sheets_are_only_text():
    data = (
        b"<?xml-stylesheet href='file:///etc/passwd'?>"
        b"<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/passwd'/></a>"
    )
    root = parse_xml(data)
    assert "".join(root.itertext()) == ""
    assert [child.tag for child in root] == ["{http://www.w3.org/2001/XInclude}include"]


def test_the_limits_hold_to_the_byte_and_the_level():
    assert parse_xml(b"<a/>", max_bytes=4).tag == "a"
    with pytest.raises(XmlError, match="longer than 3"):
        parse_xml(b"<a/>", max_bytes=3)
    assert parse_xml(b"<a>" * 100 + b"</a>" * 100).tag == "a"


def test_a_message_does_not_repeat_the_document():
    with pytest.raises(XmlError, match="line 2, column 6") as caught:
        parse_xml(b"<a>\n<b></canary></a>")
    assert "canary" not in str(caught.value)
