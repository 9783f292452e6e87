"""With users on: who is nobody is asked who it is, and sees what that user may. The last checks: they leave users."""

from world import check, equal


def add(world, name, password):
    world.call(world.home, "POST", "/v3/auth/user/add", {"name": name, "password": password})


@check
def nobody_is_asked_and_a_user_sees_its_own(world):
    for name in ("root", "eve"):
        add(world, name, f"{name}-secret")
    world.call(world.home, "POST", "/v3/auth/user/grant", {"user": "root", "role": "root"})
    world.call(world.home, "POST", "/v3/auth/enable", {})
    page = world.open("#/keys")
    page.until_text("Who is asking?", "user name is empty", "Log in", selector=".box")
    page.evaluate("document.querySelector('.box button').click()")
    login(page, "eve", "wrong")
    page.until_text("authentication failed", selector="dialog")
    login(page, "eve", "eve-secret")
    page.until_text("This user may not", "permission denied", selector=".box")
    page.evaluate("document.querySelector('.box button').click()")
    login(page, "root", "root-secret")
    page.until_text("config/web")
    page.evaluate("location.hash = '#/replay'")
    page.until_text("was lost")
    page.evaluate("location.hash = '#/services/web'")
    page.until_text("web-3", "Who was told")
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    equal(kept, '[{},{},""]', "what is kept of the token")
    # What a reload forgets.
    page.reload()
    page.until_text("Who is asking?", selector=".box")
    world.done(page)


def login(page, name, password):
    page.until("document.querySelector('dialog[open] input[name=name]')", "no dialog")
    page.evaluate("document.querySelector('dialog input[name=name]').value = ''")
    page.evaluate("document.querySelector('dialog input[name=name]').focus()")
    page.write(name)
    page.evaluate("document.querySelector('dialog input[name=password]').focus()")
    page.write(password)
    page.press("Enter")
