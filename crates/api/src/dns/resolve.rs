//! From a question to the records that answer it.

use std::collections::BTreeSet;

use state::registry::query::Member;
use state::registry::{DEFAULT_NAMESPACE, Node, ServiceName, Status};

use super::asked::{Asked, asked};
use super::catalog::{Catalog, Unavailable, Wanted};
use super::order::Order;
use super::place;
use super::servers::SERVICE;
use super::txt::text;
use super::wire::{Answer, Code, Data, Name, Query, Record, Response, kind};
use super::zone::Zone;

/// Names that lead to names are followed this far, as in Consul.
const STEPS: usize = 3;
/// How often one question may ask the catalog.
const LOOKUPS: usize = 16;
/// The order of preference of what is answered, the lower the better; there is but one.
const PRIORITY: u16 = 1;

/// Answers one question at a time.
pub(super) struct Resolver<'a, C> {
    pub(super) zone: &'a Zone,
    pub(super) catalog: &'a C,
    pub(super) order: &'a mut Order,
    /// The zone's serial number: seconds since 1970.
    pub(super) serial: u32,
    /// Answers that can be of use; one more tells that there are too many.
    pub(super) most: usize,
    pub(super) lookups: usize,
}

impl<'a, C: Catalog> Resolver<'a, C> {
    pub(super) fn new(
        zone: &'a Zone,
        catalog: &'a C,
        order: &'a mut Order,
        serial: u32,
        most: usize,
    ) -> Self {
        Self { zone, catalog, order, serial, most, lookups: LOOKUPS }
    }

    pub(super) async fn resolve(&mut self, query: &Query) -> Response {
        let Some(labels) = query.name.labels_below(&self.zone.domain) else {
            return Response::failed(Code::Refused);
        };
        if matches!(query.kind, kind::AXFR | kind::IXFR) {
            return Response::failed(Code::NotImplemented);
        }
        let found = match asked(&labels, self.zone) {
            Asked::Zone => return self.zone_itself(query),
            Asked::Parent => Ok(Some(Vec::new())),
            Asked::Nothing => Ok(None),
            Asked::Address(address) => {
                let mut records = self.zone.addresses(&query.name, &[address]);
                records.retain(|record| query.wants(record.data.kind()));
                Ok(Some(records.into_iter().map(Answer::from).collect()))
            }
            Asked::Node(name) => self.node(query, &name).await,
            Asked::Service { name, tag } => self.service(query, &name, tag.as_deref()).await,
        };
        match found {
            Ok(Some(answers)) => self.zone.response(answers, self.serial),
            Ok(None) => self.zone.nothing(self.serial),
            Err(Unavailable) => Response::failed(Code::ServerFailure),
        }
    }

    fn zone_itself(&mut self, query: &Query) -> Response {
        let mut answers = Vec::new();
        if query.wants(kind::SOA) {
            answers.push(self.zone.soa(self.serial).into());
        }
        if query.wants(kind::NS) {
            let mut servers = self.catalog.servers();
            self.order.shuffle(&mut servers);
            answers.extend(self.zone.name_servers(&servers));
        }
        self.zone.response(answers, self.serial)
    }

    async fn node(
        &mut self,
        query: &Query,
        name: &str,
    ) -> Result<Option<Vec<Answer>>, Unavailable> {
        let Some(node) = self.find_node(name).await? else { return Ok(None) };
        let mut records = self.zone.addresses(&query.name, &place::node_addresses(&node));
        records.retain(|record| query.wants(record.data.kind()));
        if let Some(target) = place::node_name(&node)
            && is_for_addresses(query)
        {
            records = self.alias(query, target).await?;
        }
        if query.wants(kind::TXT) {
            let pairs = node.meta.iter().map(|(key, value)| Data::Txt(text(key, value)));
            records.extend(pairs.map(|data| self.zone.record(&query.name, data)));
        }
        Ok(Some(records.into_iter().map(Answer::from).collect()))
    }

    async fn service(
        &mut self,
        query: &Query,
        name: &str,
        tag: Option<&str>,
    ) -> Result<Option<Vec<Answer>>, Unavailable> {
        let mut members = self.find_service(name, tag, address_kind(query)).await?;
        if members.is_empty() {
            let others = self.find_service(name, tag, None).await?;
            return Ok((!others.is_empty()).then(Vec::new));
        }
        self.order.shuffle(&mut members);
        match query.kind {
            kind::SRV => self.targets(query, &members).await.map(Some),
            _ if is_for_addresses(query) => self.addresses(query, &members).await.map(Some),
            _ => Ok(Some(Vec::new())),
        }
    }

    /// The addresses of all; if none has any, the first one's name, and where it leads.
    async fn addresses(
        &mut self,
        query: &Query,
        members: &[Member],
    ) -> Result<Vec<Answer>, Unavailable> {
        let mut seen = BTreeSet::new();
        let mut records = Vec::new();
        let mut alias = None;
        for member in members {
            let mut addresses = place::addresses(&member.node, &member.instance);
            if let Some(name) = place::name(&member.node, &member.instance) {
                if name.is(&query.name) {
                    // It calls itself what it is asked by; its node is where it is.
                    addresses = place::node_addresses(&member.node);
                } else {
                    alias = alias.or(Some(name));
                }
            }
            addresses.retain(|address| {
                query.wants(place::data(*address).kind()) && seen.insert(*address)
            });
            records.extend(self.zone.addresses(&query.name, &addresses));
            if records.len() > self.most {
                break;
            }
        }
        if let (true, Some(name)) = (records.is_empty(), alias) {
            records = self.alias(query, name).await?;
        }
        Ok(records.into_iter().map(Answer::from).collect())
    }

    /// The records of a service (RFC 2782), each with the addresses of its target.
    async fn targets(
        &mut self,
        query: &Query,
        members: &[Member],
    ) -> Result<Vec<Answer>, Unavailable> {
        let mut seen = BTreeSet::new();
        let mut answers = Vec::new();
        for member in members {
            let Member { node, instance, .. } = member;
            if answers.len() > self.most {
                break;
            }
            if !seen.insert((&node.name, &instance.address, instance.port)) {
                continue;
            }
            let Some((target, glue)) = self.target(query, member).await? else { continue };
            let data = Data::Srv {
                priority: PRIORITY,
                weight: weight(member),
                port: instance.port,
                target,
            };
            answers.push(Answer { record: self.zone.record(&query.name, data), glue });
        }
        Ok(answers)
    }

    async fn target(
        &mut self,
        query: &Query,
        member: &Member,
    ) -> Result<Option<(Name, Vec<Record>)>, Unavailable> {
        if let Some(address) = place::own_address(&member.instance) {
            let name = self.zone.address_name(address);
            return Ok(name.map(|name| (name.clone(), self.zone.addresses(&name, &[address]))));
        }
        match place::name(&member.node, &member.instance) {
            // It calls itself what it is asked by; its node is where it is.
            Some(name) if name.is(&query.name) => {}
            Some(name) => {
                let glue = self.follow(query, name.clone()).await?;
                return Ok(Some((name, glue)));
            }
            None if member.instance.address.is_empty() => {}
            None => return Ok(None),
        }
        let addresses = place::node_addresses(&member.node);
        let Some(first) = addresses.first() else { return Ok(None) };
        let name = self.zone.node_name(&member.node.name);
        let name = name.or_else(|| self.zone.address_name(*first));
        Ok(name.map(|name| (name.clone(), self.zone.addresses(&name, &addresses))))
    }

    /// That the name asked for is another one, and where that leads.
    async fn alias(&mut self, query: &Query, target: Name) -> Result<Vec<Record>, Unavailable> {
        let mut records = vec![self.zone.record(&query.name, Data::Cname(target.clone()))];
        if query.kind != kind::CNAME {
            records.extend(self.follow(query, target).await?);
        }
        Ok(records)
    }

    /// The addresses of a name, if it is one of ours; names on the way are told, too.
    async fn follow(&mut self, query: &Query, mut name: Name) -> Result<Vec<Record>, Unavailable> {
        let mut records = Vec::new();
        let mut passed = vec![query.name.clone()];
        for _ in 0..STEPS {
            let Some(labels) = name.labels_below(&self.zone.domain) else { break };
            let (addresses, next) = match asked(&labels, self.zone) {
                Asked::Address(address) => (vec![address], None),
                Asked::Node(node) => match self.find_node(&node).await? {
                    Some(node) => (place::node_addresses(&node), place::node_name(&node)),
                    None => break,
                },
                Asked::Service { name, tag } => {
                    let kind = address_kind(query);
                    let members = self.find_service(&name, tag.as_deref(), kind).await?;
                    let places = || members.iter().map(|it| (&it.node, &it.instance));
                    let addresses = places().flat_map(|(node, it)| place::addresses(node, it));
                    let addresses: BTreeSet<_> = addresses.collect();
                    let next = places().find_map(|(node, it)| place::name(node, it));
                    (addresses.into_iter().collect(), next)
                }
                Asked::Zone | Asked::Parent | Asked::Nothing => break,
            };
            let found = self.zone.addresses(&name, &addresses).into_iter();
            let is_wanted =
                |record: &Record| query.kind == kind::SRV || query.wants(record.data.kind());
            records.extend(found.filter(is_wanted).take(self.most));
            match next {
                Some(next) if addresses.is_empty() && !passed.iter().any(|it| it.is(&next)) => {
                    records.push(self.zone.record(&name, Data::Cname(next.clone())));
                    passed.push(std::mem::replace(&mut name, next));
                }
                _ => break,
            }
        }
        Ok(records)
    }

    async fn find_node(&mut self, name: &str) -> Result<Option<std::sync::Arc<Node>>, Unavailable> {
        if !self.may_look_up() {
            return Ok(None);
        }
        let spellings = spellings(name).map(Into::into).collect();
        let found = self.catalog.node(spellings).await?;
        let ours = || {
            let servers = self.catalog.servers();
            let server = servers.iter().find(|server| server.name.eq_ignore_ascii_case(name));
            server.map(super::servers::Server::node)
        };
        Ok(found.or_else(ours))
    }

    /// The instances that are not critical, have the tag, and are reached by records of a type.
    async fn find_service(
        &mut self,
        name: &str,
        tag: Option<&str>,
        kind: Option<u16>,
    ) -> Result<Vec<Member>, Unavailable> {
        if !self.may_look_up() {
            return Ok(Vec::new());
        }
        let spellings = spellings(name).map(|name| ServiceName::new(DEFAULT_NAMESPACE, &name));
        let wanted = Wanted {
            tag: tag.map(str::to_owned),
            kind,
            from: self.order.number(),
            most: self.most + 1,
        };
        let mut members = self.catalog.service(spellings.collect(), wanted).await?;
        if members.is_empty() && tag.is_none() && name.eq_ignore_ascii_case(SERVICE) {
            members = self.catalog.servers().iter().map(super::servers::Server::member).collect();
        }
        Ok(members)
    }

    fn may_look_up(&mut self) -> bool {
        let may = self.lookups > 0;
        self.lookups = self.lookups.saturating_sub(1);
        may
    }
}

/// As asked, and in small letters, which is how most names are registered.
fn spellings(name: &str) -> impl Iterator<Item = String> {
    let lower = name.to_ascii_lowercase();
    let other = (lower != name).then_some(lower);
    [name.to_owned()].into_iter().chain(other)
}

/// Whether an address would answer it, or the name of one.
fn is_for_addresses(query: &Query) -> bool {
    [kind::A, kind::AAAA, kind::CNAME].iter().any(|kind| query.wants(*kind))
}

/// Which addresses alone answer it.
fn address_kind(query: &Query) -> Option<u16> {
    Some(query.kind).filter(|kind| matches!(*kind, kind::A | kind::AAAA))
}

fn weight(member: &Member) -> u16 {
    let weights = member.instance.weights;
    let weight = match member.status() {
        Status::Passing => weights.passing,
        Status::Warning => weights.warning,
        Status::Critical => 0,
    };
    u16::try_from(weight).unwrap_or(u16::MAX)
}
