"""By BIND's `dig`: what its short answers are, and how it reads whole ones."""

import re

from world import check, equal, eventually


@check
def dig_finds_services_on_every_node(world):
    for node in world.nodes:
        for name in ("web.service.consul", "WEB.Service.CONSUL", "web.service.dc1.consul"):
            equal(world.dig(name, node=node), ["10.0.0.1", "10.0.0.2"], name)
        equal(world.dig("v2.web.service.consul", node=node), ["10.0.0.2"])
        equal(world.dig("AAAA", "six.service.consul", node=node), ["2001:db8::1"])
        equal(world.dig("plain.service.consul", node=node), ["127.0.0.1"])
        equal(world.dig("machine.node.consul", node=node), ["10.9.9.9"])
        equal(world.dig("outside.service.consul", node=node), ["www.example.org."])


@check
def dig_finds_targets_with_weights(world):
    want = ["1 1 80 0a000001.addr.dc1.consul.", "1 7 81 0a000002.addr.dc1.consul."]
    for name in ("web.service.consul", "_web._tcp.service.consul", "_web._tcp.consul"):
        equal(world.dig("SRV", name), want, name)
    equal(world.dig("SRV", "_web._prod.service.consul"), want[:1])
    equal(world.dig("SRV", "plain.service.consul"), ["1 1 99 n1.node.dc1.consul."])
    equal(world.dig("0a000002.addr.dc1.consul"), ["10.0.0.2"])
    whole = world.dig_whole("SRV", "database.service.consul")
    additional = whole.split("ADDITIONAL SECTION:")[1]
    equal(re.search(r"machine\.node\.dc1\.consul\.\s+0\s+IN\s+A\s+(\S+)", additional)[1], "10.9.9.9")


@check
def dig_follows_health(world):
    def say(word):
        world.put(f"/v1/agent/check/{word}/service:web-2?note=for+the+check")

    def web():
        return [world.dig("SRV", "web.service.consul", node=node) for node in world.nodes]

    first, second = "1 1 80 0a000001.addr.dc1.consul.", "1 {} 81 0a000002.addr.dc1.consul."
    for word, want in (
        ("warn", [first, second.format(2)]),
        ("fail", [first]),
        ("pass", [first, second.format(7)]),
    ):
        say(word)
        eventually(web, [want] * 3, word)


@check
def dig_reads_negative_answers(world):
    for name, status in (
        ("none.service.consul", "NXDOMAIN"),
        ("web.service.dc2.consul", "NXDOMAIN"),
        ("v9.web.service.consul", "NXDOMAIN"),
        ("none.node.consul", "NXDOMAIN"),
        ("service.consul", "NOERROR"),
        ("example.org", "REFUSED"),
    ):
        whole = world.dig_whole(name)
        equal(re.search(r"status: (\w+)", whole)[1], status, name)
        equal("SOA\tns.consul. hostmaster.consul." in whole, status != "REFUSED", name)
        equal("ANSWER: 0" in whole, True, name)
    whole = world.dig_whole("AAAA", "web.service.consul")
    equal(("status: NOERROR" in whole, "ANSWER: 0" in whole, "SOA" in whole), (True,) * 3)


@check
def dig_tries_again_over_tcp_where_it_is_told_to(world):
    cut = world.dig_whole("+ignore", "+noedns", "large.service.consul")
    equal(re.search(r"flags: ([\w ]+);", cut)[1], "qr aa tc rd")
    count = int(re.search(r"ANSWER: (\d+)", cut)[1])
    equal(20 < count < 40, True, f"{count} answers in 512 bytes")
    for words in (["+noedns"], [], ["+tcp"], ["+bufsize=600"]):
        equal(len(world.dig(*words, "large.service.consul")), 40, words)
    equal("udp: 1232" in world.dig_whole("web.service.consul"), True)
    equal("BADVERS" in world.dig_whole("+edns=1", "+noednsneg", "web.service.consul"), True)


@check
def dig_reads_the_zone(world):
    name_servers = world.dig("NS", "consul")
    equal(name_servers, [f"n{number}.node.dc1.consul." for number in (1, 2, 3)])
    soa = world.dig("SOA", "consul")[0].split()
    equal((soa[:2], soa[3:]), (["ns.consul.", "hostmaster.consul."], ["3600", "600", "86400", "0"]))
    equal(world.dig("TXT", "machine.node.consul"), ['"a`=b=c"', '"rack=r1"'])
    equal("NOTIMP" in world.dig_whole("AXFR", "consul") or "failed" in
          world.dig_whole("AXFR", "consul"), True)  # fmt: skip


@check
def dig_sees_another_order_each_time(world):
    firsts = {world.dig_whole("+short", "large.service.consul").split()[0] for _ in range(20)}
    equal(len(firsts) > 4, True, firsts)
