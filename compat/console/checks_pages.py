"""Every page says what is true, with a node down."""

import json

from world import check, equal


@check
def the_map_tells_nodes_leaders_and_the_one_that_is_gone(world):
    page = world.open("")
    page.until_text(f"{world.dead.name} is not there", "Regions", "(meta)", "default")
    equal(page.evaluate("location.hash"), "#/map")
    page.until_text("lost", "silent for", selector=f'[aria-label="Node {world.dead.name}"]')
    row = "[...document.querySelectorAll('tbody tr')].map((it) => it.innerText).find((it) => it.includes('default'))"
    page.until(row, "no row of the keyspace default")

    def says_who_leads():
        # Where the machine is slow, it may be another one by now.
        leads, told = world.leader(), page.evaluate(row)
        return leads and all(word in told for word in (world.names[leads], "lost", "leads"))

    world.eventually(says_who_leads, "the row does not say who leads")
    # What the other node says of itself comes through this one.
    page.until_text("Version", "Disk", selector=f'[aria-label="Node {world.other.name}"]')
    page.until_text(world.home.client, world.other.client)
    world.done(page)


@check
def the_map_is_live(world):
    page = world.open("#/map")
    page.until_text("default")
    revision = (
        "[...document.querySelectorAll('tbody tr')].find((it) => it.innerText.includes('default'))"
        "?.querySelector('[data-title=Revision]')?.innerText"
    )
    before = page.until(revision, "no revision")
    world.put("live", "1")
    page.until(f"{revision} !== {json.dumps(before)}", "the revision stays")
    world.done(page)


@check
def keys_are_listed_narrowed_and_opened_with_their_history(world):
    page = world.open("#/keys")
    page.until_text("100 of 1", "config/web", "100 more")
    page.evaluate("document.querySelector('main .more').click()")
    page.until("document.querySelectorAll('tbody tr').length > 120", "no more rows")
    page.evaluate("document.querySelector('main .find').focus()")
    page.write("config/")
    page.until("document.querySelectorAll('tbody tr').length === 2", "not narrowed down")
    assert "prefix=config" in page.evaluate("location.hash")
    page.evaluate("[...document.querySelectorAll('main a.key')].find((it) => it.innerText === 'config/web').click()")
    page.until_text('"workers": 8', "version 2", "made")
    equal(page.text("h1"), "config/web")
    page.evaluate("document.querySelector('details.version').open = true")
    page.until_text('−   "workers": 4', '+   "workers": 8')
    world.put("config/web", '{"workers": 9}')
    page.until_text("version 3")
    world.put("config/web", '{"workers": 8, "log": "info"}')
    world.done(page)


@check
def bytes_are_shown_as_bytes_and_a_deleted_key_has_a_past(world):
    page = world.open("#/keys/config%2Fimage")
    page.until_text("000000  00 01 02 03", "256 B")
    world.done(page)
    page = world.open("#/keys/short")
    page.until_text("There is no such key now", "deleted", "made")
    world.done(page)


@check
def services_are_told_with_what_fails_first(world):
    page = world.open("#/services")
    page.until_text("web", "2 of 3", "database")
    first = page.evaluate("document.querySelector('tbody tr').innerText")
    assert "web" in first, first
    page.evaluate("[...document.querySelectorAll('tbody a')].find((it) => it.innerText === 'web').click()")
    page.until_text("web-3")
    page.evaluate("document.querySelectorAll('td details').forEach((it) => { it.open = true; })")
    page.until_text("critical", "10.0.0.3:80", "GET /healthz of web-3", "Who was told", "1 of 1")
    equal(page.text("h1"), "web")
    world.done(page)


@check
def configurations_are_told_compared_and_gone_back_to(world):
    page = world.open("#/config")
    page.until_text("prod/shop/app.yaml", "prod/shop/limits.json", "yaml")
    page.evaluate("[...document.querySelectorAll('tbody a')].find((it) => it.innerText.includes('app.yaml')).click()")
    page.until_text("What everybody gets: version 3", "port: 82", "-port: 81", "+port: 82", "moved again")
    equal(page.text("h1"), "prod/shop/app.yaml")
    # Another pair of versions.
    choose = "(() => { const it = document.querySelector('select[name=from]'); it.value = '1'; it.onchange({target: it}); })()"
    page.evaluate(choose)
    page.until_text("-port: 80", "+port: 82")
    page.evaluate("document.querySelectorAll('details.version')[2].open = true")
    page.until_text("port: 80\n")
    # Going back asks first; who thinks better of it changes nothing.
    press = "document.querySelectorAll('details.version')[2].querySelector('button.back').click()"
    page.evaluate(press)
    page.until_text("Go back to version 1?", selector="dialog")
    page.evaluate("document.querySelector('dialog button.plain').click()")
    page.until("!document.querySelector('dialog')", "the dialog stays")
    equal(world.config("get", "prod/shop/app.yaml"), "host: shop\nport: 82\n")
    page.evaluate(press)
    page.until_text("Go back to version 1?", selector="dialog")
    page.evaluate("document.querySelector('dialog input').value = 'it was better'")
    page.evaluate("document.querySelector('dialog form').requestSubmit()")
    page.until_text("What everybody gets: version 4", "rollback to 1", "it was better")
    equal(world.config("get", "prod/shop/app.yaml"), "host: shop\nport: 80\n")
    world.done(page)


@check
def a_gray_release_is_told_live_and_ended_after_a_question(world):
    page = world.open("#/config/prod/shop/limits.json")
    page.until_text("What everybody gets: version 1")
    more = ("--percent", "20", "--label", "zone=eu", "--for", "10m", "--failures", "5")
    world.config("canary", "prod/shop/limits.json", *more, content='{"requests": 200}')
    page.until_text("What some get: version 2", "20 % of those whose zone is eu", "aborted at")
    world.config("report", "prod/shop/limits.json", "failed", "--client", "host-7", "-m", "too many")
    page.until_text("host-7", "too many", "1 client failure")
    page.evaluate("[...document.querySelectorAll('section.box button.plain')].at(-1).click()")
    page.until_text("Take version 2 back?", selector="dialog")
    page.evaluate("document.querySelector('dialog input').value = 'no good'")
    page.evaluate("document.querySelector('dialog form').requestSubmit()")
    page.until("!document.querySelector('main').innerText.includes('What some get')", "it does not end")
    page.until_text("aborted", "no good")
    world.done(page)


@check
def leases_sessions_and_watches_are_told(world):
    page = world.open("#/sessions")
    page.until_text("1da3", "locks/leader", "of 600 s", "deploy", "config/…", "live")
    world.done(page)


@check
def hot_keys_are_told_of_all_nodes(world):
    page = world.open("#/hot")
    # One in 64 is looked at.
    for _ in range(40):
        world.put_many("hot/one")
    page.until_text("hot/one", "/s", world.home.name)
    world.done(page)


@check
def the_election_is_replayed_as_it_happened(world):
    page = world.open("#/replay")
    page.until_text(f"{world.dead.name} was lost", "election", "nobody leads, term")
    first = page.text("output")
    # Where the nodes' start was slow, it is of the same episode: at a quarter of its speed one waits for long.
    speed = "[...document.querySelectorAll('main select')].find((it) => it.value === '0.25')"
    page.evaluate(f"void ((it) => {{ it.value = '4'; it.dispatchEvent(new Event('change')) }})({speed})")
    page.evaluate("document.querySelector('[aria-label^=Play]').click()")
    page.until(f"document.querySelector('output').innerText !== {json.dumps(first)}", "it does not play")
    page.until_text(f"{world.leads} leads, term", "was without a leader for")
    equal(page.evaluate("document.querySelector('.lanes .piece.nobody') !== null"), True, "a lane without a leader")
    # The address brings one back to the same moment.
    page.evaluate("document.querySelector('[aria-label^=\"The event after\"]').click()")
    page.until("location.hash.includes('t=')", "the address does not say the moment")
    moment, address = page.text("output"), page.evaluate("location.hash")
    again = world.open(address)
    again.until(f"document.querySelector('output')?.innerText === {json.dumps(moment)}", "another moment")
    world.done(again)
    world.done(page)
