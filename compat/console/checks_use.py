"""By keyboard, in the dark, on a phone, for users, and when something goes wrong."""

import json

from world import check, equal


@check
def everything_is_reached_by_keyboard(world):
    page = world.open("")
    page.until_text("Regions")
    for key, title in (("4", "Keys"), ("2", "Replay"), ("3", "Services"), ("1", "Cluster map")):
        page.press(key)
        page.until(f"document.querySelector('h1')?.innerText === {json.dumps(title)}", f"{key} does not open {title}")
    page.press("4")
    page.until_text("config/web")
    page.press("/")
    page.until("document.activeElement.matches('.find')", "/ does not go to the filter")
    page.press("4")
    page.until("document.activeElement.value === '4'", "a number that is typed goes nowhere")
    page.press("Escape")
    page.until("document.activeElement === document.body", "Escape does not leave the field")
    page.press("?")
    page.until("document.querySelector('dialog[open]')?.innerText.includes('Cluster map')", "no help")
    page.press("Escape")
    page.until("!document.querySelector('dialog')", "the help stays")
    # From the top, the first stop leads to the content; links are followed by Enter.
    page.press("1")
    page.until_text("Regions")
    page.reload()
    page.until("document.activeElement === document.body", "no new page")
    page.until_text("Regions")
    page.press("Tab")
    equal(page.evaluate("document.activeElement.className"), "skip")
    for _ in range(40):
        page.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == "#/hot":
            break
    page.press("Enter")
    page.until("document.querySelector('h1')?.innerText === 'Hot keys'", "Enter does not follow a link")
    page.press("2")
    page.until("document.querySelector('output')", "no replay")
    before = page.text("output")
    page.press("ArrowRight")
    page.until(f"document.querySelector('output').innerText !== {json.dumps(before)}", "no next event")
    world.done(page)


def luminance(page, selector, what):
    colour = page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{what}")
    red, green, blue = (int(part) for part in colour[colour.index("(") + 1 :].rstrip(")").split(",")[:3])
    return 0.2 * red + 0.7 * green + 0.1 * blue


@check
def dark_is_dark_and_can_be_switched(world):
    page = world.open("", dark=True)
    page.until_text("Regions")
    assert luminance(page, "html", "backgroundColor") < 60 < 150 < luminance(page, "html", "color")
    page.press("t")
    page.until("document.documentElement.dataset.theme === 'light'", "t does not switch")
    assert luminance(page, "html", "backgroundColor") > 200 > 80 > luminance(page, "html", "color")
    page.reload()
    page.until_text("Regions")
    equal(page.evaluate("document.documentElement.dataset.theme"), "light", "the choice is kept")
    world.done(page)


@check
def a_phone_shows_it_without_moving_sideways(world):
    page = world.open("", width=390, height=844)
    for name in ("map", "replay", "services", "services/web", "keys", "keys/config%2Fweb", "config", "config/prod/shop/app.yaml", "sessions", "hot"):
        page.evaluate(f"location.hash = '#/{name}'")
        page.until("document.querySelector('h1')", "no page")
        page.until("!document.querySelector('[aria-busy]')", f"{name} does not come")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} pixels too wide"
    world.done(page)


@check
def what_goes_wrong_is_told_in_a_box(world):
    page = world.open("#/keys?keyspace=nowhere")
    page.until_text("This did not work", "POST /v3/kv/range", "404", "keyspace not found", "What to do", selector=".box")
    page.evaluate("location.hash = '#/nothing'")
    page.until_text("There is no page “nothing”")
    page.evaluate("location.hash = '#/services/nobody'")
    page.until_text("There is no service “nobody”")
    # Nothing is sent by this page any more.
    page.ask("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
    page.evaluate("location.hash = '#/keys'")
    page.until_text("This did not work", "no answer at all", "Try again", selector=".box")
    page.ask("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    # The browser itself needs a moment; the page's own try is one.
    page.until("fetch('.').then(() => true, () => false)", "the browser has no network")
    page.evaluate("[...document.querySelectorAll('.box button')].find((it) => it.innerText === 'Try again').click()")
    page.until_text("config/web")
    world.done(page)


@check
def a_node_that_dies_leaves_what_was_known_and_says_so(world):
    page = world.browser.page()
    world.pages.append(page)
    page.open(f"http://{world.other.http}/ui/")
    page.until_text("Regions", "default")
    world.other.kill()
    page.until_text("This node does not answer", world.home.name, selector="#bar")
    assert "default" in page.text("main"), "what was known is gone"
    world.cluster.start(world.other)
    page.until("!document.querySelector('#bar .stale')", "it does not come back by itself")
    world.eventually(lambda: world.put("back", "again"), "nothing can be written again")
    world.done(page)
