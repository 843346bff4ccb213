"""Forms in a real browser: the editor of formatted text, files that stay, drafts that come back."""

from __future__ import annotations

import pytest

from core.entities import query, service

pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]
PHONE = {"width": 390, "height": 844}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
#: As a word processor puts it on the clipboard: styles, conditional comments, lists of paragraphs.
WORD = """<html xmlns:o="urn:o"><head><style>p.MsoNormal {margin:0}</style></head><body>
<!--StartFragment--><p class=MsoNormal style='margin:0cm'><b style='mso-bidi-font-weight:normal'><span
lang=EN-US style='font-size:14.0pt'>Offer<o:p></o:p></span></b></p>
<p class=MsoListParagraphCxSpFirst style='mso-list:l0 level1 lfo1'><![if !supportLists]><span
style='font-family:Symbol'><span style='mso-list:Ignore'>·<span style='font:7.0pt "Times"'>&nbsp;
</span></span></span><![endif]>first</p><p class=MsoListParagraphCxSpLast style='mso-list:l0
level1 lfo1'><![if !supportLists]><span style='mso-list:Ignore'>·</span><![endif]>second</p>
<p onclick="alert(1)"><a href="javascript:alert(1)">bad</a> <a href="https://ok.example/">good</a>
<img src=x onerror="alert(2)"><script>alert(3)</script></p><!--EndFragment--></body></html>"""
PASTE = """(html) => {
  const data = new DataTransfer();
  data.setData("text/html", html);
  const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  document.querySelector(".rich-text").dispatchEvent(event);
}"""


@pytest.fixture
def order(unit_of_work):
    with unit_of_work() as uow:
        (key,) = service.create(uow, "order", [{"title": "A", "story": "<p><b>old</b> text</p>"}])
    return key


@pytest.fixture
def order_of(unit_of_work):
    def read(key):
        with unit_of_work(write=False) as uow:
            return query.get(uow, "order", key).values

    return read


def save(tab):
    tab.locator(".form-actions .button-primary").click()


def value_of(tab):
    return tab.locator("textarea[name=story]").evaluate("box => box.value")


def test_formatted_text_is_written_by_keyboard(open_page, order, order_of):
    tab = open_page()
    tab.goto(f"/r/order/{order}/edit")
    assert value_of(tab) == "<p><b>old</b> text</p>", "looking changes nothing"
    editor = tab.get_by_role("textbox", name="Story")
    editor.focus()
    tab.keyboard.press("Control+End")
    tab.keyboard.press("Enter")
    tab.keyboard.type("plain ")
    tab.keyboard.press("Control+i")
    tab.keyboard.type("slanted")
    tab.keyboard.press("Control+i")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Alt+F10")
    for _step in range(4):
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    assert tab.locator("[data-command=insertUnorderedList]").get_attribute("aria-pressed") == "true"
    tab.keyboard.type("one")
    tab.keyboard.press("Enter")
    tab.keyboard.type("two")
    tab.keyboard.press("Shift+Home")
    tab.keyboard.press("Control+k")
    tab.keyboard.type("example.com/x")
    tab.keyboard.press("Enter")
    written = (
        "<p><b>old</b> text</p><p>plain <i>slanted</i></p>"
        '<ul><li>one</li><li><a href="https://example.com/x">two</a></li></ul>'
    )
    assert value_of(tab) == written
    tab.keyboard.press("Control+z")
    assert "example.com" not in value_of(tab)
    tab.keyboard.press("Control+Shift+z")
    assert value_of(tab) == written
    save(tab)
    tab.wait_for_url(f"**/r/order/{order}")
    story = order_of(order)["story"]
    assert "<li>one</li>" in story
    assert 'href="https://example.com/x"' in story


@pytest.mark.long
def test_what_comes_from_a_word_processor_is_cleaned(open_page, order, order_of):
    """I12: neither while it is edited nor when it is kept does anything of it run."""
    tab = open_page(PHONE)
    tab.goto(f"/r/order/{order}/edit")
    editor = tab.locator(".rich-text")
    editor.click()
    tab.keyboard.press("Control+a")
    tab.keyboard.press("Delete")
    tab.evaluate(PASTE, WORD)
    assert value_of(tab) == (
        "<p><b>Offer</b></p><ul><li>first</li><li>second</li></ul>"
        '<p>bad <a href="https://ok.example/">good</a> </p>'
    )
    assert editor.locator("script, style, img, [onclick], [style], [class]").count() == 0
    tab.locator("[data-command=undo]").click()
    assert "Offer" not in value_of(tab)
    tab.locator("[data-command=redo]").click()
    save(tab)
    tab.wait_for_url(f"**/r/order/{order}")
    assert "<li>second</li>" in order_of(order)["story"]
    assert "javascript" not in order_of(order)["story"]


def test_without_scripts_formatted_text_is_a_box(open_page, order, order_of):
    tab = open_page(scripts=False)
    tab.goto(f"/r/order/{order}/edit")
    assert tab.locator(".rich-tools").is_hidden()
    tab.fill("#field-story", "<p>by <i>hand</i><script>alert(1)</script></p>")
    save(tab)
    tab.wait_for_url(f"**/r/order/{order}")
    assert order_of(order)["story"] == "<p>by <i>hand</i></p>"


@pytest.mark.parametrize("scripts", [True, pytest.param(False, marks=pytest.mark.long)])
def test_a_file_is_chosen_once(open_page, order_of, unit_of_work, scripts):
    """A10: an error in another field asks for no file again, with scripts and without; one of them
    may be taken with the camera."""
    tab = open_page(scripts=scripts)
    tab.goto("/r/order/new")
    tab.fill("[name=amount]", "much")
    for name in ("photo", "parts.0.picture"):
        file = {"name": f"{name}.png", "mimeType": "image/png", "buffer": PNG}
        camera = f"[data-camera-for='{name}']" if scripts and name == "photo" else ""
        tab.set_input_files(camera or f"[name='{name}']", file)
        if scripts:
            tab.locator(f"[data-upload-name]:text-is('{name}.png')").wait_for()
    tab.fill("[name='parts.0.name']", "shaft")
    save(tab)
    tab.locator("#error-amount").wait_for()
    if scripts:
        assert tab.evaluate("document.activeElement.id") == "field-title", "the first that is wrong"
    assert tab.locator("[data-upload-name]:text-is('photo.png')").is_visible()
    tab.fill("[name=title]", "With pictures")
    tab.fill("[name=amount]", "5")
    save(tab)
    tab.wait_for_url("**/r/order/1")
    values = order_of(1)
    assert values["photo"] is not None
    assert values["parts"][0]["picture"] is not None


@pytest.mark.long
def test_a_file_that_does_not_fit_is_told_at_once(open_page):
    tab = open_page()
    tab.goto("/r/order/new")
    file = {"name": "x.png", "mimeType": "image/png", "buffer": b"<svg/>"}
    with tab.expect_response("**/files") as answer:
        tab.set_input_files("[name=photo]", file)
    assert answer.value.status == 422
    error = tab.locator(".field:has([name=photo]) [data-upload-error]")
    error.wait_for()
    assert tab.input_value("[name=photo]") == ""
    big = {"name": "x.pdf", "mimeType": "application/pdf", "buffer": b"x" * 2_000_001}
    tab.set_input_files("[name='parts.0.paper']", big)
    tab.locator("td:has([name='parts.0.paper']) [data-upload-error]").wait_for()


def test_a_half_filled_form_comes_back(open_page, order_of):
    """A draft is kept while one types, offered on return, continued elsewhere, and gone once saved."""
    tab = open_page()
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.goto("/r/order/new")
    tab.locator("[name=title]").press_sequentially("Half an order")
    tab.locator(".rich-text").click()
    tab.keyboard.type("a story")
    with tab.expect_response("**/r/order/draft"):
        tab.locator("[data-line-add]").click()
    tab.locator("[data-draft-state]").wait_for()
    tab.goto("/r/order")
    elsewhere = open_page(PHONE)
    elsewhere.goto("/r/order/new")
    offer = elsewhere.locator(".drafts")
    assert "Half an order" in offer.inner_text()
    offer.locator("a").click()
    assert elsewhere.input_value("[name=title]") == "Half an order"
    assert elsewhere.locator(".rich-text").inner_text() == "a story"
    save(elsewhere)
    elsewhere.wait_for_url("**/r/order/1")
    assert order_of(1)["story"] == "<p>a story</p>"
    tab.goto("/r/order/new")
    assert tab.locator(".drafts").count() == 0


@pytest.mark.long
@pytest.mark.long
def test_a_draft_is_discarded(open_page):
    tab = open_page()
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.goto("/r/order/new")
    with tab.expect_response("**/r/order/draft"):
        tab.fill("[name=title]", "Never mind")
    tab.goto("/r/order/new")
    tab.locator(".drafts button").click()
    tab.locator("[data-toast]").wait_for()
    assert tab.locator(".drafts").count() == 0
    assert tab.input_value("[name=title]") == ""


@pytest.mark.long
def test_the_form_fits_a_phone(open_page, order):
    tab = open_page(PHONE)
    for path in ("/r/order/new", f"/r/order/{order}/edit"):
        tab.goto(path)
        overflow = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{path} is {overflow} px too wide"
        small = tab.locator(".rich-tools button").evaluate_all(
            "all => all.filter((each) => each.offsetHeight < 44 || each.offsetWidth < 44).length"
        )
        assert small == 0
