"""By `dnspython`: its resolver as programs use it, and messages field by field."""

import socket

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from world import check, equal


def place(world, node=0):
    host, port = world.nodes[node].dns.rsplit(":", 1)
    return host, int(port)


def resolver(world):
    found = dns.resolver.Resolver(configure=False)
    host, port = place(world)
    found.nameservers, found.port, found.lifetime = [host], port, 5
    return found


def raises(kind, call, *arguments):
    try:
        got = call(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"got {got!r}, want {kind.__name__}")


@check
def python_resolves(world):
    find = resolver(world).resolve
    equal(sorted(it.address for it in find("web.service.consul", "A")), ["10.0.0.1", "10.0.0.2"])
    answer = find("_web._tcp.service.consul", "SRV")
    equal(sorted((it.priority, it.weight, it.port, str(it.target)) for it in answer),
          [(1, 1, 80, "0a000001.addr.dc1.consul."), (1, 7, 81, "0a000002.addr.dc1.consul.")])  # fmt: skip
    glue = {str(each.name): each[0].address for each in answer.response.additional}
    equal(glue, {"0a000001.addr.dc1.consul.": "10.0.0.1", "0a000002.addr.dc1.consul.": "10.0.0.2"})
    equal(len(find("large.service.consul", "A")), 40, "by TCP after a cut answer")
    texts = sorted(b"".join(it.strings) for it in find("machine.node.consul", "TXT"))
    equal(texts, [b"a`=b=c", b"rack=r1"])
    raises(dns.resolver.NXDOMAIN, find, "none.service.consul", "A")
    error = raises(dns.resolver.NoAnswer, find, "web.service.consul", "AAAA")
    equal([it.rdtype for it in error.response().authority], [dns.rdatatype.SOA])
    raises(dns.resolver.NoNameservers, find, "example.org", "A")


@check
def python_reads_every_field(world):
    host, port = place(world)
    query = dns.message.make_query("wEb.SeRvIcE.cOnSuL", "A", use_edns=0, payload=4096)
    query.flags |= dns.flags.CD
    answer = dns.query.udp(query, host, port=port, timeout=5)
    equal(answer.question[0].name.to_text(), "wEb.SeRvIcE.cOnSuL.", "letters stay as asked")
    want = dns.flags.QR | dns.flags.AA | dns.flags.RD | dns.flags.CD
    equal(answer.flags, want)
    equal((answer.edns, answer.payload), (0, 1232))
    without = dns.message.make_query("web.service.consul", "A", use_edns=False)
    answer = dns.query.udp(without, host, port=port, timeout=5)
    equal((answer.edns, len(answer.additional)), (-1, 0))
    option = dns.edns.ECSOption("1.2.3.0", 24)
    answer = dns.query.udp(
        dns.message.make_query("web.service.consul", "A", options=[option]), host, port=port, timeout=5
    )
    equal((answer.rcode(), answer.options), (dns.rcode.NOERROR, ()), "options are passed over")


@check
def python_pipelines_over_tcp(world):
    with socket.create_connection(place(world), timeout=5) as stream:
        queries = [dns.message.make_query("web.service.consul", "A") for _ in range(50)]
        for query in queries:
            dns.query.send_tcp(stream, query)
        for query in queries:
            answer, _ = dns.query.receive_tcp(stream)
            equal((answer.id, answer.rcode()), (query.id, dns.rcode.NOERROR))


@check
def python_sends_what_is_no_query(world):
    host, port = place(world)
    good = dns.message.make_query("web.service.consul", "A").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as socket_of_ours:
        socket_of_ours.settimeout(5)
        socket_of_ours.connect((host, port))
        for number in range(300):
            broken = bytearray(good)
            broken[number % len(good)] ^= 0xFF
            socket_of_ours.send(bytes(broken[: 1 + number % len(good)]))
            socket_of_ours.send(bytes([number % 256]) * number)
        unsigned = bytes(good[:2]) + b"\x28" + bytes(good[3:])
        socket_of_ours.send(unsigned)
        codes = set()
        while dns.rcode.NOTIMP not in codes:
            codes.add(socket_of_ours.recv(4096)[3] & 0x0F)
    equal(dns.rcode.FORMERR in codes, True, codes)
    equal(len(resolver(world).resolve("web.service.consul", "A")), 2, "it goes on")
