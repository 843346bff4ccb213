"""C2: another site in the same browser gets nothing, does nothing, and shows none of our pages."""

from __future__ import annotations

import pytest

from core.entities import query, service

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]

#: What the other site tries, with the visitor's cookies; each resolves to "got" when it succeeds.
ATTACKS = """
async (target) => {
  const found = {};
  const ask = async (name, step) => {
    try { found[name] = await step(); } catch (error) { found[name] = "refused"; }
  };
  const load = (tag, address) => new Promise((done, fail) => {
    const element = document.createElement(tag);
    element.onload = () => done(element);
    element.onerror = () => fail(new Error("blocked"));
    element.src = address;
    document.body.append(element);
    setTimeout(() => fail(new Error("nothing came")), 3000);
  });
  for (const path of ["/", "/api/v1/me", "/r/order"]) {
    for (const mode of ["cors", "no-cors"]) {
      await ask(`${mode} ${path}`, async () => {
        const answer = await fetch(target + path, {credentials: "include", mode});
        return (await answer.text()).length ? "got" : "empty";
      });
    }
    await ask(`script ${path}`, async () => {
      window.leaked = "";
      window.onerror = (message) => { if (message !== "Script error.") window.leaked = message; };
      await load("script", target + path);
      return window.leaked ? "got" : "empty";
    });
    await ask(`frame ${path}`, async () => {
      const frame = document.createElement("iframe");
      frame.src = target + path;
      document.body.append(frame);
      await new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
      return frame.contentDocument ? "got" : "closed";
    });
  }
  for (const type of ["application/json", "text/plain", "application/x-www-form-urlencoded"]) {
    await ask(`write ${type}`, async () => {
      const body = JSON.stringify({title: "planted"});
      const answer = await fetch(target + "/api/v1/records/order", {
        method: "POST", credentials: "include", headers: {"Content-Type": type}, body,
      });
      return answer.ok ? "got" : "refused";
    });
  }
  await ask("form", async () => {
    const body = new URLSearchParams({title: "planted", form_key: "k"});
    await fetch(target + "/r/order/new", {method: "POST", credentials: "include", mode: "no-cors", body});
    return "sent";
  });
  await ask("window", async () => {
    const other = window.open(target + "/", "other");
    await new Promise((done) => setTimeout(done, 1500));
    return other && other.document && other.document.title ? "got" : "closed";
  });
  return found;
}
"""


@pytest.mark.parametrize(
    "host",
    # Another name of this machine: another site to the browser, whose cookies are not sent along.
    ["localhost", pytest.param("127.0.0.1", marks=pytest.mark.long)],
    ids=["another host", "the same host, another port"],
)
def test_another_origin_gets_nothing_and_does_nothing(
    open_page, served, elsewhere, unit_of_work, host
):
    """Reading, framing, scripts, forms, windows; not even from another port of the same machine."""
    with unit_of_work() as uow:
        service.create(uow, "order", [{"title": "secret order"}])
    tab = open_page(policy=True)
    stranger = tab.context.new_page()
    stranger.goto(f"http://{host}:{elsewhere.port}")
    found = stranger.evaluate(ATTACKS, served)
    assert {name for name, got in found.items() if got == "got"} == set(), found
    assert {found[f"frame {path}"] for path in ("/", "/api/v1/me", "/r/order")} == {"closed"}
    for frame in stranger.frames[1:]:
        assert "secret order" not in frame.content()
    with unit_of_work(write=False) as uow:
        planted = {"field": "title", "op": "eq", "value": "planted"}
        assert query.count(uow, "order", query.ListQuery(filter=planted)) == 0
    # Positive control: the visitor is signed in, and from our own origin the same reads succeed.
    own = tab.context.new_page()
    own.goto(served)
    allowed = own.evaluate(ATTACKS, served)
    assert {allowed["cors /"], allowed["no-cors /r/order"], allowed["window"]} == {"got"}, allowed
