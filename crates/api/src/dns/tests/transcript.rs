//! What is answered to what. The transcript is written anew with `UPDATE=1 cargo test -p api dns`.

use std::fmt::Write;

use state::registry::Status;

use super::super::servers::Server;
use super::super::wire::kind;
use super::world::World;

const QUESTIONS: &str = "
A web.service.consul
a WeB.SeRvIcE.CoNsUl
A web.service.dc1.consul
A web.service.DC1.dc.consul
A web.service.dc2.consul
A web.service.dc2.dc.consul
AAAA web.service.consul
ANY web.service.consul
TXT web.service.consul
SRV web.service.consul
SRV _web._tcp.service.consul
SRV _web._tcp.consul
SRV _web._tcp.dc1.consul
SRV _web._V1.service.consul
A v1.web.service.consul
A v2.web.service.consul
A with.dots.web.service.consul
A _web._v1.service.consul
A none.service.consul
A sick.service.consul
SRV warned.service.consul
A Upper.service.consul
A upper.service.consul
A dual.service.consul
AAAA dual.service.consul
ANY dual.service.consul
SRV dual.service.consul
A v6.service.consul
AAAA v6.service.consul
SRV v6.service.consul
A outside.service.consul
CNAME outside.service.consul
SRV outside.service.consul
A chained.service.consul
SRV chained.service.consul
A circle.service.consul
A itself.service.consul
SRV itself.service.consul
A external.service.consul
SRV external.service.consul
SRV strange.service.consul
A strange.service.consul
A many-ports.service.consul
SRV many-ports.service.consul
A n1.node.consul
AAAA n1.node.consul
A n1.node.dc1.consul
A n1.node.dc2.consul
TXT n1.node.consul
ANY n1.node.consul
SRV n1.node.consul
A N2.node.consul
A with.dot.node.consul
A faraway.node.consul
A none.node.consul
A 0a000001.addr.dc1.consul
A 0A000001.addr.consul
AAAA 0a000001.addr.consul
AAAA 20010db8000000000000000000000001.addr.consul
A 20010db8000000000000000000000001.addr.consul
A 0a00001.addr.consul
A 0a00000g.addr.consul
A x.0a000001.addr.consul
SOA consul
NS consul
ANY consul
A consul
NS web.service.consul
SOA web.service.consul
A service.consul
A node.dc1.consul
A _tcp.service.consul
A _tcp.consul
A dc1.consul
A dc2.consul
A dc.consul
A a.query.consul
A web.connect.consul
A x.consul
A consul.service.consul
SRV consul.service.consul
A server1.node.consul
AXFR consul
A example.org
A consul.example
A .
";

fn world() -> World {
    let mut world = World::default();
    world.node("n1", "10.0.0.1", "", "rack=r1,rfc1035-x=plain,a`b= c");
    world.node("n2", "10.0.0.2", "lan_ipv4=10.0.0.2,lan_ipv6=2001:db8::2", "");
    world.node("with.dot", "10.0.0.3", "", "");
    world.node("faraway", "node.example.org", "", "");
    world.node(
        "node with blank and more than sixty-three bytes, so that it is no label",
        "10.0.0.4",
        "",
        "",
    );
    world.instance("web", "n1", "", 80).tagged(&["V1", "with.dots"]);
    world.instance("web", "n2", "10.1.0.2", 8080).tagged(&["v2"]).weighing(70_000, 1);
    world.instance("web", "n1", "10.1.0.3", 80).standing(Status::Critical);
    world.instance("sick", "n1", "", 80).standing(Status::Passing).standing(Status::Critical);
    world.instance("warned", "n1", "", 80).standing(Status::Passing).standing(Status::Warning);
    world.instance("Upper", "n1", "", 80);
    world.instance("dual", "n2", "", 80);
    world.instance("dual", "n1", "10.2.0.1", 80).also_at("lan_ipv6", "2001:db8::d");
    world.instance("v6", "n1", "2001:db8::1", 80);
    world.instance("outside", "n1", "www.example.org", 443);
    world.instance("chained", "n1", "outside.service.consul", 1);
    world.instance("chained", "n1", "web.service.consul", 2);
    world.instance("circle", "n1", "round.service.consul", 1);
    world.instance("round", "n1", "circle.service.consul", 1);
    world.instance("itself", "n1", "Itself.service.consul.", 1);
    world.instance("external", "faraway", "", 443);
    world.instance("strange", "n1", "not a name..", 1);
    let strange = world.nodes.keys().find(|name| name.contains("blank")).unwrap().clone();
    world.instance("strange", &strange, "", 2);
    for port in [1, 2, 2] {
        world.instance("many-ports", "n1", "", port);
    }
    for number in 1..=4 {
        let (name, host) = (format!("server{number}"), format!("10.9.0.{number}"));
        world.servers.push(Server { name, host });
    }
    world
}

fn number(kind: &str) -> u16 {
    match &*kind.to_ascii_uppercase() {
        "A" => kind::A,
        "AAAA" => kind::AAAA,
        "ANY" => kind::ANY,
        "AXFR" => kind::AXFR,
        "CNAME" => kind::CNAME,
        "NS" => kind::NS,
        "SOA" => kind::SOA,
        "SRV" => kind::SRV,
        "TXT" => kind::TXT,
        other => panic!("{other}"),
    }
}

#[test]
fn questions_are_answered_as_in_the_transcript() {
    let world = world();
    let mut text = String::new();
    for question in QUESTIONS.lines().filter(|line| !line.is_empty()) {
        let (kind, name) = question.split_once(' ').unwrap();
        let read = world.ask(number(kind), name);
        assert_eq!((read.id, read.extension), (0xabcd, Some(1_232)));
        assert!(read.recursion_desired && !read.truncated);
        let asked = format!("{}. {} 1", name.trim_end_matches('.'), number(kind));
        assert_eq!(read.question, Some(asked));
        let codes = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
        let authoritative = if read.authoritative { "" } else { " (not ours)" };
        writeln!(text, "{question}: {}{authoritative}", codes[usize::from(read.code)]).unwrap();
        for (section, records) in ["", "authority: ", "additional: "].iter().zip(&read.sections) {
            for record in records {
                writeln!(text, "    {section}{record}").unwrap();
            }
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/dns.txt");
        std::fs::write(path, &text).unwrap();
        return;
    }
    assert_eq!(text, include_str!("../../../testdata/dns.txt"), "testdata/dns.txt differs");
}

#[test]
fn without_a_registry_nothing_is_denied() {
    let world = World { is_down: true, ..world() };
    for name in ["web.service.consul", "none.service.consul", "n1.node.consul"] {
        let read = world.ask(kind::A, name);
        assert_eq!((read.code, read.authoritative), (2, false), "{name}");
    }
    assert_eq!(world.ask(kind::A, "0a000001.addr.consul").code, 0);
}
