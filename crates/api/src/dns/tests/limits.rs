use super::super::respond::Over;
use super::super::wire::{MESSAGE_BYTES, UDP_BYTES, kind};
use super::decode::decode;
use super::world::{World, query};

/// A service of so many instances, each with an address of its own.
fn large(instances: u32) -> World {
    let mut world = World::default();
    world.node("n1", "10.0.0.1", "", "");
    for number in 0..instances {
        let address = std::net::Ipv4Addr::from_bits(0x0a01_0000 + number).to_string();
        world.instance("large", "n1", &address, 80);
    }
    world
}

#[test]
fn answers_are_cut_to_what_the_client_takes() {
    let world = large(500);
    for (kind, name) in
        [(kind::A, "large.service.consul"), (kind::SRV, "_large._tcp.service.consul")]
    {
        for (takes, limit) in [
            (None, 512),
            (Some(0), 512),
            (Some(600), 600),
            (Some(1_232), 1_232),
            (Some(65_535), 1_232),
        ] {
            let packet = query(kind, name, takes);
            let bytes = world.respond(&packet, Over::Udp).unwrap();
            let read = decode(&bytes);
            assert!(bytes.len() <= limit && read.truncated, "{takes:?}: {} bytes", bytes.len());
            // One more would not have fitted.
            let one = if kind == kind::A { 16 } else { 2 + 10 + 6 + 35 + 16 };
            assert!(bytes.len() + one > limit, "{takes:?}: {} bytes", bytes.len());
            assert_eq!(read.extension, takes.map(|_| 1_232));
            let [answers, _, additional] = &read.sections;
            // Each target comes with its address.
            let glue = if kind == kind::SRV { answers.len() } else { 0 };
            assert_eq!(additional.len(), glue);
        }
        let bytes = world.respond(&query(kind, name, None), Over::Tcp).unwrap();
        let read = decode(&bytes);
        assert!(!read.truncated && read.sections[0].len() == 500);
    }
}

#[test]
fn a_message_is_never_longer_than_its_length_can_say() {
    let world = large(6_000);
    for (kind, least) in [(kind::A, 4_090), (kind::SRV, 800)] {
        let bytes = world.respond(&query(kind, "large.service.consul", None), Over::Tcp).unwrap();
        let read = decode(&bytes);
        assert!(read.truncated && bytes.len() <= MESSAGE_BYTES);
        assert!(read.sections[0].len() > least, "{}", read.sections[0].len());
    }
}

#[test]
fn every_instance_comes_first_some_time() {
    let mut world = large(3);
    let mut first = std::collections::BTreeSet::new();
    // The same catalog each time: what differs is the order that is drawn.
    for seed in 0..12 {
        world.seed = seed;
        first.insert(world.ask(kind::A, "large.service.consul").sections[0][0].clone());
    }
    assert_eq!(first.len(), 3);
}

#[test]
fn a_machine_with_many_instances_does_not_stand_for_all() {
    let mut world = World::default();
    for number in 1..=4 {
        let (node, address) = (format!("n{number}"), format!("10.0.0.{number}"));
        world.node(&node, &address, "", "");
        for port in 0..2_000 {
            world.instance("many", &node, "", port);
        }
    }
    assert_eq!(world.ask(kind::A, "many.service.consul").sections[0].len(), 4);
}

#[test]
fn the_only_one_of_many_that_answers_is_found() {
    let mut world = large(3_000);
    world.instance("large", "n1", "2001:db8::1", 80);
    let read = world.ask(kind::AAAA, "large.service.consul");
    assert_eq!(read.sections[0], ["large.service.consul. 0 AAAA 2001:db8::1"]);
    let name = "v1.large.service.consul";
    assert_eq!(world.ask(kind::A, name).code, 3);
    world.members.rotate_right(7);
    let last = world.members.len() - 1;
    std::sync::Arc::make_mut(&mut world.members[6].instance).tags = ["v1".into()].into();
    std::sync::Arc::make_mut(&mut world.members[last].instance).tags = ["V1".into()].into();
    for kind in [kind::A, kind::AAAA] {
        assert_eq!(world.ask(kind, name).sections[0].len(), 1);
    }
    assert_eq!(world.ask(kind::SRV, name).sections[0].len(), 2);
}

#[test]
fn one_record_too_long_is_left_out_and_told_of() {
    let mut world = World::default();
    let long = "x".repeat(500);
    let meta = (0..4).map(|key| format!("key{key}={long}")).collect::<Vec<_>>().join(",");
    world.node("n1", "10.0.0.1", "", &meta);
    let packet = query(kind::TXT, "n1.node.consul", None);
    let read = decode(&world.respond(&packet, Over::Udp).unwrap());
    assert!(read.truncated && read.sections[0].is_empty());
    let read = decode(&world.respond(&packet, Over::Tcp).unwrap());
    assert_eq!(read.sections[0].len(), 4);
    // Cut into pieces that fit their length.
    assert_eq!(read.sections[0][0].matches('"').count(), 4);
}

#[test]
fn what_is_no_query_is_refused_or_passed_over() {
    let world = large(1);
    let good = query(kind::A, "large.service.consul", Some(1_232));
    let told = |packet: &[u8]| {
        let answer = world.respond(packet, Over::Udp)?;
        assert!(answer.len() <= UDP_BYTES);
        let read = decode(&answer);
        assert_eq!(read.id, 0xabcd);
        Some(read.code)
    };
    let with = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        packet
    };
    assert_eq!(told(&good), Some(0));
    assert_eq!(told(&[]), None);
    assert_eq!(told(&good[..11]), None);
    assert_eq!(told(&with(2, 0x81)), None, "an answer gets none");
    assert_eq!(told(&with(2, 0x28)), Some(4), "an update");
    for cut in 12..good.len() {
        assert_eq!(told(&good[..cut]), Some(1), "cut after {cut}");
    }
    assert_eq!(told(&with(5, 0)), Some(1), "no question");
    assert_eq!(told(&with(5, 2)), Some(1), "two questions");
    assert_eq!(told(&with(11, 9)), Some(1), "too many records");
    assert_eq!(told(&with(12, 0xc0)), Some(1), "a pointer");
    let class = good.len() - 11 - 2;
    assert_eq!(told(&with(class + 1, 3)), Some(5), "the class of Chaos");
    assert_eq!(told(&with(class + 1, 255)), Some(0));
    let version = good.len() - 5;
    assert_eq!(told(&with(version, 1)), Some(16), "extension of version 1");
    let twice = [&good[..], &good[good.len() - 11..]].concat();
    let mut two_extensions = twice.clone();
    two_extensions[11] = 2;
    assert_eq!(told(&two_extensions), Some(1));
    assert_eq!(told(&twice), Some(0), "what follows is not looked at");
}
