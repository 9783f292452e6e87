"""Pictures of every page, of a running cluster with a node down: `docs/console/`."""

import time

# Name, address, what is seen when it is there, how tall at most, how it is looked at.
PAGES = (
    ("map", "#/map", "Regions", 960, {"width": 1200}),
    ("map-dark", "#/map", "Regions", 960, {"dark": True, "width": 1200}),
    ("map-phone", "#/map", "Regions", 1500, {"width": 390, "height": 844}),
    ("replay", "#/replay", "election", 860, {"width": 1120}),
    ("replay-dark", "#/replay", "election", 860, {"dark": True, "width": 1120}),
    ("services", "#/services", "web", 700, {}),
    ("service", "#/services/web", "Pushes", 1100, {}),
    ("keys", "#/keys", "config/web", 900, {}),
    ("key", "#/keys/config%2Fweb", "History", 1000, {}),
    ("key-bytes", "#/keys/config%2Fimage", "000000", 900, {}),
    ("configs", "#/config", "limits.json", 600, {}),
    ("config", "#/config/prod/shop/app.yaml", "+port", 1000, {}),
    ("sessions", "#/sessions", "of 600 s", 1000, {}),
    ("hot", "#/hot", "hot/one", 800, {}),
    ("error", "#/keys?keyspace=nowhere", "What to do", 700, {}),
)
# What is done on a page before it is taken.
BEFORE = {
    "replay": "for (let i = 0; i < 6; i++) document.querySelector('[aria-label^=\"The event after\"]').click()",
    "key": "document.querySelector('details.version').open = true",
}
BEFORE["replay-dark"] = BEFORE["replay"]
BYTES = 150_000


def take(world, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, address, words, height, how in PAGES:
        page = world.open(address, **how)
        if name == "hot":
            for number in range(60):
                world.put_many("hot/one" if number % 3 else "hot/two")
        page.until_text(words)
        # What the other nodes say of themselves comes a moment later.
        time.sleep(1.5)
        if before := BEFORE.get(name):
            page.evaluate(before)
            time.sleep(0.3)
        path = folder / f"{name}.png"
        page.screenshot(path, height)
        size = path.stat().st_size
        print(f"{path}: {size / 1000:.0f} kB{' IS TOO LARGE' if size > BYTES else ''}", flush=True)
        world.done(page)
    return 0
