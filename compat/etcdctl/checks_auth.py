"""auth, user, role, and what every command is told by them. Auth is off again after each check."""

import contextlib

from harness import check, contains, equal

DENIED = "etcdserver: permission denied"
NOBODY = "etcdserver: user name is empty"
WRONG = "etcdserver: authentication failed, invalid user ID or password"


# Checking a password takes a while on a busy machine, and logging in counts as dialling.
PATIENT = ("--dial-timeout", "20s", "--command-timeout", "25s")


def by(name, password):
    return (*PATIENT, "--user", f"{name}:{password}")


def quietly(ctl, *args):
    """Whether it worked does not matter."""
    ctl.run(*args)


@contextlib.contextmanager
def users(ctl, p, *more):
    """root, and one user with one role; all are gone afterwards, and auth is off."""
    user, role = p.replace("/", "-") + "user", p.replace("/", "-") + "role"
    root = by("root", "rootpw")
    try:
        ctl.ok("user", "add", "root:rootpw")
        ctl.ok("user", "grant-role", "root", "root")
        ctl.ok("role", "add", role)
        ctl.ok("user", "add", user + ":pw")
        ctl.ok("user", "grant-role", user, role)
        for args in more:
            ctl.ok("role", "grant-permission", role, *args)
        yield root, by(user, "pw"), user, role
    finally:
        quietly(ctl, *root, "auth", "disable")
        for name in ("root", user):
            quietly(ctl, "user", "delete", name)
        for name in (role, "root"):
            quietly(ctl, "role", "delete", name)


@check("auth: enable wants root, disable gives everything back")
def switch(ctl, p):
    # That it also wants the role `root` etcdctl sees to by itself.
    ctl.fails("etcdserver: root user does not exist", "auth", "enable")
    ctl.put(p + "k", "v")
    with users(ctl, p) as (root, _, _, _):
        equal(ctl.ok("auth", "enable"), "Authentication Enabled\n")
        for endpoint in ctl.endpoints:
            ctl.at(endpoint).fails(NOBODY, "get", p + "k")
            ctl.at(endpoint).fails(NOBODY, "put", p + "k", "w")
            ctl.at(endpoint).fails(WRONG, *by("root", "wrong"), "get", p + "k")
            ctl.at(endpoint).fails(WRONG, *by("nobody", "pw"), "get", p + "k")
            equal(ctl.at(endpoint).lines(*root, "get", p + "k"), [p + "k", "v"])
        ctl.fails("etcdserver: invalid auth management", *root, "user", "delete", "root")
        ctl.fails(
            "etcdserver: invalid auth management", *root, "user", "revoke-role", "root", "root"
        )
        ctl.fails(NOBODY, "auth", "disable")
        equal(ctl.ok(*root, "auth", "disable"), "Authentication Disabled\n")
        equal(ctl.lines("get", p + "k"), [p + "k", "v"])


@check("user: add, get, list, passwd, grant-role, revoke-role, delete")
def user_commands(ctl, p):
    name, role = p.replace("/", "-") + "u", p.replace("/", "-") + "r"
    try:
        equal(ctl.ok("user", "add", name + ":pw"), f"User {name} created\n")
        ctl.fails("etcdserver: user name already exists", "user", "add", name + ":pw")
        equal(name in ctl.lines("user", "list"), True, "listed")
        equal(ctl.ok("user", "get", name), f"User: {name}\nRoles:\n")
        ctl.fails("etcdserver: role name not found", "user", "grant-role", name, role)
        ctl.ok("role", "add", role)
        equal(
            ctl.ok("user", "grant-role", name, role), f"Role {role} is granted to user {name}\n"
        )
        # Twice is once.
        ctl.ok("user", "grant-role", name, role)
        equal(ctl.ok("user", "get", name), f"User: {name}\nRoles: {role}\n")
        equal(
            ctl.ok("user", "revoke-role", name, role),
            f"Role {role} is revoked from user {name}\n",
        )
        ctl.fails(
            "etcdserver: role is not granted to the user", "user", "revoke-role", name, role
        )
        equal(
            ctl.ok("user", "passwd", "--interactive=false", name, stdin="other\n"),
            "Password updated\n",
        )
        equal(ctl.ok("user", "delete", name), f"User {name} deleted\n")
        for command in (("get",), ("delete",)):
            ctl.fails("etcdserver: user name not found", "user", *command, name)
        ctl.fails("etcdserver: user name not found", "user", "grant-role", name, role)
    finally:
        quietly(ctl, "user", "delete", name)
        quietly(ctl, "role", "delete", role)


@check("role: add, get, list, grant-permission with prefix and from-key, revoke-permission, delete")
def role_commands(ctl, p):
    name = p.replace("/", "-") + "r"
    try:
        equal(ctl.ok("role", "add", name), f"Role {name} created\n")
        ctl.fails("etcdserver: role name already exists", "role", "add", name)
        equal(name in ctl.lines("role", "list"), True, "listed")
        equal(ctl.ok("role", "get", name), f"Role {name}\nKV Read:\nKV Write:\n")
        grant = ("role", "grant-permission", name)
        equal(ctl.ok(*grant, "read", "k"), f"Role {name} updated\n")
        ctl.ok(*grant, "write", "a", "c")
        ctl.ok(*grant, "readwrite", "dir/", "--prefix")
        ctl.ok(*grant, "read", "x", "--from-key")
        shown = ctl.ok("role", "get", name)
        equal(
            shown,
            f"Role {name}\nKV Read:\n\t[dir/, dir0) (prefix dir/)\n\tk\n\t[x, <open ended>\n"
            "KV Write:\n\t[a, c)\n\t[dir/, dir0) (prefix dir/)\n",
        )
        # Another kind for the same range takes the place of the first.
        ctl.ok(*grant, "write", "k")
        contains(ctl.ok("role", "get", name).split("KV Write:")[1], "\tk\n")
        revoke = ("role", "revoke-permission", name)
        ctl.ok(*revoke, "dir/", "--prefix")
        ctl.ok(*revoke, "x", "--from-key")
        ctl.ok(*revoke, "a", "c")
        ctl.fails("etcdserver: permission is not granted to the role", *revoke, "a", "c")
        ctl.ok(*revoke, "k")
        equal(ctl.ok("role", "get", name), f"Role {name}\nKV Read:\nKV Write:\n")
        equal(ctl.ok("role", "delete", name), f"Role {name} deleted\n")
        ctl.fails("etcdserver: role name not found", "role", "get", name)
        ctl.fails("etcdserver: role name not found", *grant, "read", "k")
    finally:
        quietly(ctl, "role", "delete", name)


@check("auth: a user may what its role may, in get, put, del, txn, watch, lease")
def rights(ctl, p):
    with users(ctl, p, ("readwrite", p + "own/", "--prefix"), ("read", p + "see")) as (
        root,
        me,
        user,
        role,
    ):
        ctl.put(p + "see", "1")
        ctl.put(p + "other", "1")
        ctl.ok("auth", "enable")
        ctl.ok(*me, "put", p + "own/a", "1")
        ctl.fails(DENIED, *me, "put", p + "see", "2")
        equal(ctl.lines(*me, "get", p + "see"), [p + "see", "1"])
        ctl.fails(DENIED, *me, "get", p + "other")
        ctl.fails(DENIED, *me, "get", p, "--prefix")
        ctl.fails(DENIED, *me, "get", p + "own/", "--from-key")
        ctl.fails(DENIED, *me, "get", "--consistency=s", p + "other")
        ctl.fails(DENIED, *me, "del", p + "see")
        equal(ctl.ok(*me, "del", p + "own/", "--prefix", "--prev-kv").splitlines()[0], "1")
        own, other = p + "own/b", p + "other"
        for txn in (
            f'value("{other}") = "1"\n\nput {own} 1\n\n\n',
            f'value("{own}") = "1"\n\nput {other} 1\n\n\n',
            f'value("{own}") = "1"\n\n\nget {other}\n\n',
            f'value("{own}") = "1"\n\n\ndel {other}\n\n',
        ):
            ctl.fails(DENIED, *me, "txn", stdin=txn)
        ctl.ok(*me, "txn", stdin=f'version("{own}") = "0"\n\nput {own} 1\n\n\n')
        with ctl.start(*me, "watch", p + "own/", "--prefix") as watch:
            ctl.ok(*me, "put", p + "own/w", "1")
            # Either it was there in time, or it is not asked for here.
            ctl.ok(*me, "put", p + "own/w", "2")
            equal(watch.take(1), ["PUT"])
        # A lease with a key of somebody else cannot be ended, nor more keys be put to it.
        lease = ctl.ok(*root, "lease", "grant", "60").split()[1]
        ctl.ok(*root, "put", p + "other", "1", "--lease=" + lease)
        ctl.fails(DENIED, *me, "put", own, "1", "--lease=" + lease)
        ctl.fails(f"failed to revoke lease ({DENIED})", *me, "lease", "revoke", lease)
        ctl.ok(*root, "lease", "revoke", lease)
        equal(ctl.ok(*me, "user", "get", user), f"User: {user}\nRoles: {role}\n")
        contains(ctl.ok(*me, "role", "get", role), p + "see")
        for command in (
            ("user", "list"),
            ("role", "list"),
            ("user", "get", "root"),
            ("user", "add", "x:y"),
            ("role", "add", "x"),
            ("auth", "disable"),
        ):
            ctl.fails(DENIED, *me, *command)
        # What changes holds at once, on every node.
        ctl.ok(*root, "role", "grant-permission", role, "read", p + "other")
        for endpoint in ctl.endpoints:
            ctl.at(endpoint).ok(*me, "get", p + "other")
        ctl.ok(*root, "role", "revoke-permission", role, p + "other")
        for endpoint in ctl.endpoints:
            ctl.at(endpoint).fails(DENIED, *me, "get", p + "other")
        ctl.ok(*root, "user", "passwd", "--interactive=false", user, stdin="pw2\n")
        ctl.fails(WRONG, *me, "get", p + "see")
        ctl.ok(*by(user, "pw2"), "get", p + "see")
        ctl.ok(*root, "user", "delete", user)
        ctl.fails(WRONG, *by(user, "pw2"), "get", p + "see")
