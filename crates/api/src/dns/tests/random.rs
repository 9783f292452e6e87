use proptest::prelude::*;

use super::super::respond::Over;
use super::super::wire::{MESSAGE_BYTES, UDP_BYTES, kind};
use super::decode::decode;
use super::world::{World, query};

fn world() -> World {
    let mut world = World::default();
    world.node("n1", "10.0.0.1", "lan_ipv6=::1", "a=b");
    world.instance("web", "n1", "", 80).tagged(&["v1"]);
    world.instance("alias", "n1", "web.service.consul", 80);
    world
}

/// Whatever was answered can be read, and is bounded.
fn check(packet: &[u8]) {
    let world = world();
    for (over, limit) in [(Over::Udp, UDP_BYTES), (Over::Tcp, MESSAGE_BYTES)] {
        if let Some(answer) = world.respond(packet, over) {
            assert!(answer.len() <= limit);
            let read = decode(&answer);
            assert_eq!(read.id.to_be_bytes(), packet[..2]);
        }
    }
}

proptest! {
    #[test]
    fn random_packets_are_answered_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        check(&bytes);
        // With a header that leads further in.
        let header = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        check(&[&header[..], &bytes].concat());
    }

    #[test]
    fn damaged_queries_are_answered_or_not(
        kind in prop_oneof![Just(kind::A), Just(kind::SRV), Just(kind::ANY), any::<u16>()],
        labels in proptest::collection::vec(prop_oneof![
            Just("web"), Just("alias"), Just("v1"), Just("_web"), Just("_tcp"), Just("service"),
            Just("node"), Just("n1"), Just("addr"), Just("0a000001"), Just("dc1"), Just("dc"),
            Just("_"), Just("ü"), Just("query"),
        ], 0..6),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut packet = query(kind, &format!("{}.consul", labels.join(".")), Some(900));
        check(&packet);
        for (at, byte) in damage {
            let at = at.index(packet.len());
            packet[at] = byte;
        }
        check(&packet);
    }
}
