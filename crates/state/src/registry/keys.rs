//! The keys of the registry's engine records; drawn in `docs/format.md`, section "Registry records".
//!
//! Everything of a service lies together, behind a hash of its name: a region that is split at such a
//! boundary one day takes whole services with it. Nodes and sessions are not any service's; they lie
//! together at the place of the service without a name.

use bytes::{BufMut, Bytes, BytesMut};
use types::RegionId;

use super::name::ServiceName;
use super::record::Instance;
use crate::keys::REGISTRY;

/// What a record is: the byte after its service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A check of an instance.
    Check = b'c',
    Instance = b'i',
    /// The index of a service, where no record that is left tells it.
    ServiceIndex = b'x',
    /// A check of a node.
    NodeCheck = b'k',
    /// At which of its home's revisions a node is known in a shard.
    Mirror = b'm',
    /// The index of a namespace's list of services.
    ServiceList = b'l',
    Node = b'n',
    /// A part of a restore that was begun.
    Staged = b'r',
    Session = b's',
    /// The index of a node, as for services.
    NodeIndex = b'y',
    /// The indexes of the other lists.
    Lists = b'z',
}

const KINDS: [Kind; 11] = [
    Kind::Check,
    Kind::Instance,
    Kind::ServiceIndex,
    Kind::NodeCheck,
    Kind::Mirror,
    Kind::ServiceList,
    Kind::Node,
    Kind::Staged,
    Kind::Session,
    Kind::NodeIndex,
    Kind::Lists,
];

/// Bytes before the namespace: region, tag, hash.
const HEAD: usize = 8 + 1 + 2;

pub(super) fn fnv1a(namespace: &str, service: &str) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for byte in namespace.bytes().chain([0]).chain(service.bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash
}

/// Where a service is, among all services: FNV-1a of its name, folded to 16 bits.
fn hash16(namespace: &str, service: &str) -> u16 {
    let hash = fnv1a(namespace, service);
    #[allow(clippy::cast_possible_truncation, reason = "folded: both halves are in it")]
    let folded = (hash ^ (hash >> 16)) as u16;
    folded
}

fn key(region: RegionId, namespace: &str, service: &str, kind: Kind, rest: &[&str]) -> Bytes {
    let length: usize = rest.iter().map(|part| part.len() + 1).sum();
    let mut key = place(region, namespace, service, length.max(1));
    key.put_u8(kind as u8);
    for (at, part) in rest.iter().enumerate() {
        if at > 0 {
            key.put_u8(0);
        }
        key.put_slice(part.as_bytes());
    }
    key.freeze()
}

/// What the keys of all records of a service begin with. No name has a zero byte, so that no service's
/// place is the beginning of another's.
/// There is room for exactly `more`: a buffer without any left over is made into a key as it is.
fn place(region: RegionId, namespace: &str, service: &str, more: usize) -> BytesMut {
    let length = HEAD + namespace.len() + 1 + service.len() + 1;
    let mut key = BytesMut::with_capacity(length + more);
    key.put_u64(region.get());
    key.put_u8(REGISTRY);
    key.put_u16(hash16(namespace, service));
    key.put_slice(namespace.as_bytes());
    key.put_u8(0);
    key.put_slice(service.as_bytes());
    key.put_u8(0);
    key
}

pub(crate) fn instance(region: RegionId, instance: &Instance) -> Bytes {
    let Instance { node, namespace, id, service, .. } = instance;
    key(region, namespace, service, Kind::Instance, &[node, id])
}

/// `service`: whose instance the check is about; `None` for a check of a node.
pub(crate) fn check(
    region: RegionId,
    service: Option<&ServiceName>,
    node: &str,
    (namespace, id): (&str, &str),
) -> Bytes {
    match service {
        Some(service) => key(region, &service.namespace, &service.name, Kind::Check, &[node, id]),
        None => key(region, "", "", Kind::NodeCheck, &[node, namespace, id]),
    }
}

pub(crate) fn service_index(region: RegionId, service: &ServiceName) -> Bytes {
    key(region, &service.namespace, &service.name, Kind::ServiceIndex, &[])
}

pub(crate) fn node(region: RegionId, node: &str) -> Bytes {
    key(region, "", "", Kind::Node, &[node])
}

pub(crate) fn node_index(region: RegionId, node: &str) -> Bytes {
    key(region, "", "", Kind::NodeIndex, &[node])
}

/// `None`: of those that are not there any more, the newest.
pub(crate) fn mirror(region: RegionId, node: Option<&str>) -> Bytes {
    key(region, "", "", Kind::Mirror, &[node.unwrap_or_default()])
}

pub(crate) fn session(region: RegionId, id: &str) -> Bytes {
    key(region, "", "", Kind::Session, &[id])
}

pub(crate) fn staged(region: RegionId, part: u32) -> Bytes {
    key(region, "", "", Kind::Staged, &[&format!("{part:08x}")])
}

pub(crate) fn service_list(region: RegionId, namespace: &str) -> Bytes {
    key(region, "", "", Kind::ServiceList, &[namespace])
}

pub(crate) fn lists(region: RegionId) -> Bytes {
    key(region, "", "", Kind::Lists, &[])
}

/// All records of the registry.
pub(crate) fn all(region: RegionId) -> (Bytes, Bytes) {
    crate::keys::all_registry(region)
}

/// Those of no service, which have to be known before the others mean anything.
pub(crate) fn of_no_service(region: RegionId) -> (Bytes, Bytes) {
    let start = place(region, "", "", 0).freeze();
    let mut end = BytesMut::from(start.as_ref());
    end.truncate(HEAD + 1);
    // One more than the zero that ends the empty name.
    end.put_u8(1);
    (start, end.freeze())
}

/// What a key says.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Parsed<'a> {
    pub(crate) service: ServiceName,
    pub(crate) kind: Kind,
    pub(crate) rest: &'a str,
}

/// `None` if it is no key of the registry.
pub(crate) fn parse(key: &[u8]) -> Option<Parsed<'_>> {
    let text = core::str::from_utf8(key.get(HEAD..)?).ok()?;
    let (namespace, text) = text.split_once('\0')?;
    let (name, text) = text.split_once('\0')?;
    let byte = *text.as_bytes().first()?;
    let kind = KINDS.into_iter().find(|kind| *kind as u8 == byte)?;
    Some(Parsed { service: ServiceName::new(namespace, name), kind, rest: &text[1..] })
}

#[cfg(test)]
mod tests {
    use types::RegionId;

    use super::super::name::ServiceName;
    use super::{Kind, check, hash16, key, of_no_service, parse, session};

    #[test]
    fn the_written_form_stands() {
        let service = ServiceName::new("default", "web");
        let key = key(RegionId(5), "default", "web", Kind::Instance, &["n1", "w1"]);
        let hash = hash16("default", "web").to_be_bytes();
        let head = [&[0, 0, 0, 0, 0, 0, 0, 5, b'G'][..], &hash].concat();
        assert_eq!(key, [&head[..], b"default\0web\0in1\0w1"].concat());
        // Reckoned by another program, which knows FNV's own test vectors.
        assert_eq!(hash16("default", "web"), 0x40a3);
        let parsed = parse(&key).unwrap();
        assert_eq!((parsed.service, parsed.kind, parsed.rest), (service, Kind::Instance, "n1\0w1"));
    }

    #[test]
    fn what_is_of_no_service_lies_apart() {
        let (start, end) = of_no_service(RegionId(5));
        let inside = |key: &[u8]| *start <= *key && *key < *end;
        assert!(inside(&session(RegionId(5), "\u{10ffff}")));
        let id = ("default", "c");
        assert!(inside(&check(RegionId(5), None, "n", id)));
        let web = ServiceName::new("default", "web");
        assert!(!inside(&check(RegionId(5), Some(&web), "n", id)));
    }
}
