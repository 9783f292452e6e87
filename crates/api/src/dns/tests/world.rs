//! A catalog in memory, and questions to it.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;

use futures::FutureExt;
use state::registry::query::Member;
use state::registry::{
    Check, DEFAULT_NAMESPACE, Definition, Instance, Name, Node, Pairs, ServiceName, Status,
    TaggedAddress, TimerId, Weights,
};
use types::Revision;

use super::super::catalog::{Catalog, Unavailable, Wanted};
use super::super::order::Order;
use super::super::respond::{Over, respond};
use super::super::servers::Server;
use super::super::zone::Zone;
use super::decode::{Read, decode};

#[derive(Default)]
pub(super) struct World {
    /// What answers are put into order by.
    pub(super) seed: u64,
    pub(super) nodes: BTreeMap<Name, Arc<Node>>,
    pub(super) members: Vec<Member>,
    pub(super) servers: Vec<Server>,
    pub(super) is_down: bool,
}

impl Catalog for World {
    fn service(
        &self,
        spellings: Vec<ServiceName>,
        wanted: Wanted,
    ) -> impl Future<Output = Result<Vec<Member>, Unavailable>> + Send {
        let of = |name: &ServiceName| -> Vec<Member> {
            let all = self.members.iter().filter(|it| it.instance.service == name.name);
            let count = u64::try_from(all.clone().count()).unwrap().max(1);
            let start = usize::try_from(wanted.from % count).unwrap();
            let turned = all.clone().skip(start).chain(all.take(start));
            let mut sieve = wanted.sieve();
            let found = turned.filter(|it| sieve(&it.node, &it.instance, it.status()));
            found.take(wanted.most).cloned().collect()
        };
        let found = spellings.iter().map(of).find(|found| !found.is_empty());
        ready(if self.is_down { Err(Unavailable) } else { Ok(found.unwrap_or_default()) })
    }

    fn node(
        &self,
        spellings: Vec<Name>,
    ) -> impl Future<Output = Result<Option<Arc<Node>>, Unavailable>> + Send {
        let found = spellings.iter().find_map(|name| self.nodes.get(name)).cloned();
        ready(if self.is_down { Err(Unavailable) } else { Ok(found) })
    }

    fn servers(&self) -> Vec<Server> {
        self.servers.clone()
    }
}

pub(super) fn pairs(text: &str) -> Pairs {
    let split = text.split(',').filter_map(|pair| pair.split_once('='));
    split.map(|(key, value)| (key.into(), value.into())).collect()
}

impl World {
    pub(super) fn node(&mut self, name: &str, address: &str, tagged: &str, meta: &str) {
        let node = Node {
            name: name.into(),
            id: "".into(),
            address: address.into(),
            tagged_addresses: pairs(tagged),
            meta: pairs(meta),
            created: Revision(1),
            modified: Revision(1),
        };
        self.nodes.insert(name.into(), Arc::new(node));
    }

    /// An instance of `service` on `node`.
    pub(super) fn instance(
        &mut self,
        service: &str,
        node: &str,
        address: &str,
        port: u16,
    ) -> &mut Self {
        let node = self.nodes[node].clone();
        let instance = Instance {
            node: node.name.clone(),
            namespace: DEFAULT_NAMESPACE.into(),
            id: format!("{service}-{}", self.members.len()).into(),
            service: service.into(),
            tags: [].into(),
            address: address.into(),
            port,
            meta: [].into(),
            weights: Weights { passing: 10, warning: 3 },
            enable_tag_override: false,
            tagged_addresses: [].into(),
            zone: "".into(),
            extra: [].into(),
            created: Revision(1),
            modified: Revision(1),
        };
        self.members.push(Member { node, instance: Arc::new(instance), checks: Vec::new() });
        self
    }

    fn change(&mut self, change: impl FnOnce(&mut Instance)) -> &mut Self {
        change(Arc::make_mut(&mut self.members.last_mut().unwrap().instance));
        self
    }

    pub(super) fn tagged(&mut self, tags: &[&str]) -> &mut Self {
        self.change(|instance| instance.tags = tags.iter().map(|tag| (*tag).into()).collect())
    }

    pub(super) fn weighing(&mut self, passing: u32, warning: u32) -> &mut Self {
        self.change(|instance| instance.weights = Weights { passing, warning })
    }

    pub(super) fn also_at(&mut self, tag: &str, address: &str) -> &mut Self {
        let tagged = TaggedAddress { tag: tag.into(), address: address.into(), port: 0 };
        self.change(|instance| instance.tagged_addresses = [tagged].into())
    }

    pub(super) fn standing(&mut self, status: Status) -> &mut Self {
        let member = self.members.last_mut().unwrap();
        member.checks.push(Arc::new(Check {
            node: member.node.name.clone(),
            namespace: DEFAULT_NAMESPACE.into(),
            id: "c".into(),
            instance: member.instance.id.clone(),
            name: "".into(),
            status,
            notes: "".into(),
            output: "".into(),
            kind: "ttl".into(),
            definition: Definition::default(),
            timer: TimerId(1),
            created: Revision(1),
            modified: Revision(1),
        }));
        self
    }

    pub(super) fn respond(&self, packet: &[u8], over: Over) -> Option<Vec<u8>> {
        let zone = Zone::new("consul", "dc1", 0).unwrap();
        let mut order = Order::seeded(7 + self.seed);
        let answer = respond(packet, over, &zone, self, &mut order, 1_700_000_000);
        answer.now_or_never().unwrap().map(|(bytes, _)| bytes)
    }

    pub(super) fn ask(&self, kind: u16, name: &str) -> Read {
        decode(&self.respond(&query(kind, name, Some(1_232)), Over::Udp).unwrap())
    }
}

/// A query with recursion desired, and an extension if it says how much it takes.
pub(super) fn query(kind: u16, name: &str, udp_bytes: Option<u16>) -> Vec<u8> {
    let additional = u8::from(udp_bytes.is_some());
    let mut packet = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        packet.push(u8::try_from(label.len()).unwrap());
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    if let Some(bytes) = udp_bytes {
        packet.extend_from_slice(&[0, 0, 41]);
        packet.extend_from_slice(&bytes.to_be_bytes());
        packet.extend_from_slice(&[0; 6]);
    }
    packet
}
