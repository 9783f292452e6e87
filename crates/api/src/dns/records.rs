//! The records that answers are made of.

use std::net::IpAddr;

use super::place;
use super::servers::Server;
use super::wire::{Answer, Code, Data, Name, Record, Response, Soa};
use super::zone::Zone;

/// Seconds, as Consul has them.
const REFRESH: u32 = 3_600;
const RETRY: u32 = 600;
const EXPIRE: u32 = 86_400;
/// Name servers that are told of at once.
const NAME_SERVERS: usize = 3;

impl Zone {
    pub(super) fn record(&self, name: &Name, data: Data) -> Record {
        Record { name: name.clone(), ttl: self.ttl, data }
    }

    pub(super) fn addresses(&self, name: &Name, addresses: &[IpAddr]) -> Vec<Record> {
        addresses.iter().map(|address| self.record(name, place::data(*address))).collect()
    }

    /// Where the zone begins. It says as well that what is not there now may be there at once.
    pub(super) fn soa(&self, serial: u32) -> Record {
        let named = |label: &str| self.name(label).unwrap_or_else(|| self.domain.clone());
        let soa = Soa {
            primary: named("ns"),
            mailbox: named("hostmaster"),
            serial,
            refresh: REFRESH,
            retry: RETRY,
            expire: EXPIRE,
            minimum: 0,
        };
        Record { name: self.domain.clone(), ttl: 0, data: Data::Soa(Box::new(soa)) }
    }

    /// The servers that have a name here.
    pub(super) fn name_servers(&self, servers: &[Server]) -> Vec<Answer> {
        let named = servers.iter().filter_map(|server| {
            let name = self.node_name(&server.name)?;
            let glue = self.addresses(&name, &place::node_addresses(&server.node()));
            Some(Answer { record: self.record(&self.domain, Data::Ns(name)), glue })
        });
        named.take(NAME_SERVERS).collect()
    }

    /// What a node is called; `None` for one whose name is no name in DNS.
    pub(super) fn node_name(&self, node: &str) -> Option<Name> {
        self.name(&format!("{node}.node.{}", self.datacenter))
    }

    /// What an address is called.
    pub(super) fn address_name(&self, address: IpAddr) -> Option<Name> {
        let hex: String = match address {
            IpAddr::V4(address) => format!("{:08x}", address.to_bits()),
            IpAddr::V6(address) => format!("{:032x}", address.to_bits()),
        };
        self.name(&format!("{hex}.addr.{}", self.datacenter))
    }

    /// An answer that may be empty: then with where the zone begins, by which negative answers are known.
    pub(super) fn response(&self, answers: Vec<Answer>, serial: u32) -> Response {
        let authority = if answers.is_empty() { vec![self.soa(serial)] } else { Vec::new() };
        Response { code: Code::NoError, authoritative: true, answers, authority }
    }

    /// There is no such name.
    pub(super) fn nothing(&self, serial: u32) -> Response {
        Response { code: Code::NameError, ..self.response(Vec::new(), serial) }
    }
}

impl From<Record> for Answer {
    fn from(record: Record) -> Self {
        Self { record, glue: Vec::new() }
    }
}
