"""move-leader. The cluster is left as it was, but for who leads."""

from harness import check, contains, equal, eventually

MOVE_SECONDS = 60


@check("move-leader: to each of the three, and what is refused")
def move_leader(ctl, p):
    for member in ctl.json("member", "list")["members"]:
        wanted = member["ID"]
        said = []

        def moved(wanted=wanted, said=said):
            statuses = ctl.json("--endpoints", ctl.all, "endpoint", "status")
            if {each["Status"]["leader"] for each in statuses} == {wanted}:
                return True
            code, out, _ = ctl.run("--endpoints", ctl.all, "move-leader", f"{wanted:x}")
            said.extend([out] if code == 0 else [])
            return False

        eventually(moved, f"{wanted:x} to lead", MOVE_SECONDS)
        for out in said:
            contains(out, "Leadership transferred from")
        ctl.put(p + "k", f"{wanted:x}")
        equal(ctl.lines("get", p + "k"), [p + "k", f"{wanted:x}"])
    ctl.fails("etcdserver: bad leader transferee", "--endpoints", ctl.all, "move-leader", "abcdef")
    statuses = ctl.json("--endpoints", ctl.all, "endpoint", "status")
    followers = ",".join(
        each["Endpoint"]
        for each in statuses
        if each["Status"]["header"]["member_id"] != each["Status"]["leader"]
    )
    code, _, error = ctl.run("--endpoints", followers, "move-leader", "abcdef")
    equal(code != 0, True, "refused")
    contains(error, "no leader endpoint given at")
