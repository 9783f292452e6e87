//! What a name below the domain means.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::zone::Zone;

/// What is asked about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// The domain itself.
    Zone,
    /// A name that has none of its own records, but others below it.
    Parent,
    /// A service: its name as asked, and the tag wanted.
    Service { name: String, tag: Option<String> },
    /// A node.
    Node(String),
    /// An address, by the name it has in itself.
    Address(IpAddr),
    /// Nothing there could be, or nothing here: another datacentre.
    Nothing,
}

/// What the labels in front of the domain ask for. The kind of a name is told by the last label that is
/// one of these, so that services may be called `node` and the like.
pub(super) fn asked(labels: &[&[u8]], zone: &Zone) -> Asked {
    let labels: Result<Vec<&str>, _> = labels.iter().map(|it| std::str::from_utf8(it)).collect();
    let Ok(labels) = labels else { return Asked::Nothing };
    for (at, label) in labels.iter().enumerate().rev() {
        let (before, after) = (&labels[..at], &labels[at + 1..]);
        let found = match &*label.to_ascii_lowercase() {
            "service" => service,
            "node" => node,
            "addr" => address,
            // Consul's other kinds: prepared queries and its mesh.
            "query" | "connect" | "virtual" | "ingress" => return Asked::Nothing,
            // In names of RFC 2782, `service` may be left out.
            _ if label.starts_with('_') => {
                return if is_here(after, zone) { service(&labels[..=at]) } else { Asked::Nothing };
            }
            _ => continue,
        };
        return match (is_here(after, zone), before.is_empty()) {
            (false, _) => Asked::Nothing,
            (true, true) => Asked::Parent,
            (true, false) => found(before),
        };
    }
    match labels[..] {
        [] => Asked::Zone,
        _ if is_here(&labels, zone) => Asked::Parent,
        [dc] if dc.eq_ignore_ascii_case("dc") => Asked::Parent,
        _ => Asked::Nothing,
    }
}

/// Whether what follows the kind names this datacentre: nothing, `<dc>`, or `<dc>.dc`.
fn is_here(labels: &[&str], zone: &Zone) -> bool {
    let ours = |name: &str| name.eq_ignore_ascii_case(&zone.datacenter);
    match labels {
        [] => true,
        [name] => ours(name),
        [name, dc] => ours(name) && dc.eq_ignore_ascii_case("dc"),
        _ => false,
    }
}

/// `_<service>._<tag>` (RFC 2782; the tag `tcp` is none), or `[<tag>.]<service>`; a tag may have dots.
fn service(labels: &[&str]) -> Asked {
    let bare = |label: &str| label.strip_prefix('_').map(str::to_owned);
    match labels {
        [only] if only.starts_with('_') => Asked::Parent,
        [name, tag] if name.starts_with('_') && tag.starts_with('_') => {
            let tag = bare(tag).filter(|tag| !tag.eq_ignore_ascii_case("tcp") && !tag.is_empty());
            Asked::Service { name: bare(name).unwrap_or_default(), tag }
        }
        [tag @ .., name] => {
            let tag = (!tag.is_empty()).then(|| tag.join("."));
            Asked::Service { name: (*name).to_owned(), tag }
        }
        [] => Asked::Parent,
    }
}

/// Names of nodes may have dots.
fn node(labels: &[&str]) -> Asked {
    Asked::Node(labels.join("."))
}

/// The bytes of an address in hexadecimal.
fn address(labels: &[&str]) -> Asked {
    let [hex] = labels else { return Asked::Nothing };
    if !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Asked::Nothing;
    }
    let v4 = || u32::from_str_radix(hex, 16).ok().map(|bits| Ipv4Addr::from_bits(bits).into());
    let v6 = || u128::from_str_radix(hex, 16).ok().map(|bits| Ipv6Addr::from_bits(bits).into());
    let found: Option<IpAddr> = match hex.len() {
        8 => v4(),
        32 => v6(),
        _ => None,
    };
    found.map_or(Asked::Nothing, Asked::Address)
}
