//! Where something is reached: an address, or another name.

use std::net::IpAddr;

use state::registry::{Instance, Node};

use super::wire::{Data, Name, kind};

/// What a node or an instance says of where it is. Agents of Consul that know addresses of both kinds
/// write them under these tags, and then they come first.
struct Written<'a> {
    main: &'a str,
    tagged: [Option<&'a str>; 2],
}

const TAGS: [&str; 2] = ["lan_ipv4", "lan_ipv6"];

impl<'a> Written<'a> {
    fn of_node(node: &'a Node) -> Self {
        let tagged = TAGS.map(|tag| {
            let found = node.tagged_addresses.iter().find(|(name, _)| &**name == tag);
            found.map(|(_, address)| &**address)
        });
        Self { main: &node.address, tagged }
    }

    fn of_instance(instance: &'a Instance) -> Self {
        let tagged = TAGS.map(|tag| {
            let found = instance.tagged_addresses.iter().find(|it| &*it.tag == tag);
            found.map(|it| &*it.address)
        });
        Self { main: &instance.address, tagged }
    }

    /// The address for a record of this type.
    fn address(&self, wanted: u16) -> Option<IpAddr> {
        let tagged = if wanted == kind::A { self.tagged[0] } else { self.tagged[1] };
        let written = tagged.into_iter().chain([self.main]);
        let mut addresses = written.filter_map(parse);
        addresses.find(|address| data(*address).kind() == wanted)
    }

    fn addresses(&self) -> Vec<IpAddr> {
        [kind::A, kind::AAAA].into_iter().filter_map(|wanted| self.address(wanted)).collect()
    }

    /// The name that stands where the address should.
    fn name(&self) -> Option<Name> {
        if parse(self.main).is_some() { None } else { Name::parse(self.main) }
    }
}

fn parse(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The record that says it.
pub(super) fn data(address: IpAddr) -> Data {
    match address {
        IpAddr::V4(address) => Data::A(address),
        IpAddr::V6(address) => Data::Aaaa(address),
    }
}

/// Every address of a node, one of each kind.
pub(super) fn node_addresses(node: &Node) -> Vec<IpAddr> {
    Written::of_node(node).addresses()
}

/// The name that a node has for an address.
pub(super) fn node_name(node: &Node) -> Option<Name> {
    Written::of_node(node).name()
}

/// The address of an instance for a record of this type; its node's, where it says none.
pub(super) fn address(node: &Node, instance: &Instance, wanted: u16) -> Option<IpAddr> {
    let own = Written::of_instance(instance);
    let of_node =
        || if own.main.is_empty() { Written::of_node(node).address(wanted) } else { None };
    own.address(wanted).or_else(of_node)
}

/// All of them, one of each kind.
pub(super) fn addresses(node: &Node, instance: &Instance) -> Vec<IpAddr> {
    [kind::A, kind::AAAA].iter().filter_map(|wanted| address(node, instance, *wanted)).collect()
}

/// The name an instance has for an address; its node's, where it says nothing.
pub(super) fn name(node: &Node, instance: &Instance) -> Option<Name> {
    if instance.address.is_empty() {
        node_name(node)
    } else {
        Written::of_instance(instance).name()
    }
}

/// The address an instance itself has; of two the one it names first.
pub(super) fn own_address(instance: &Instance) -> Option<IpAddr> {
    parse(&instance.address)
}
