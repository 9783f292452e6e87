//! Resource records.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Name;

/// Types of records, and what is asked for like one.
pub(in crate::dns) mod kind {
    pub(in crate::dns) const A: u16 = 1;
    pub(in crate::dns) const NS: u16 = 2;
    pub(in crate::dns) const CNAME: u16 = 5;
    pub(in crate::dns) const SOA: u16 = 6;
    pub(in crate::dns) const TXT: u16 = 16;
    pub(in crate::dns) const AAAA: u16 = 28;
    pub(in crate::dns) const SRV: u16 = 33;
    pub(in crate::dns) const OPT: u16 = 41;
    pub(in crate::dns) const IXFR: u16 = 251;
    pub(in crate::dns) const AXFR: u16 = 252;
    pub(in crate::dns) const ANY: u16 = 255;
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::dns) struct Record {
    pub(in crate::dns) name: Name,
    /// Seconds it may be kept.
    pub(in crate::dns) ttl: u32,
    pub(in crate::dns) data: Data,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::dns) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(Name),
    Ns(Name),
    Soa(Box<Soa>),
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        target: Name,
    },
    /// Any length; it is cut into pieces of 255 bytes.
    Txt(Vec<u8>),
}

/// Where a zone begins; times in seconds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::dns) struct Soa {
    pub(in crate::dns) primary: Name,
    pub(in crate::dns) mailbox: Name,
    pub(in crate::dns) serial: u32,
    pub(in crate::dns) refresh: u32,
    pub(in crate::dns) retry: u32,
    pub(in crate::dns) expire: u32,
    /// How long it may be kept that something is not there.
    pub(in crate::dns) minimum: u32,
}

impl Data {
    pub(in crate::dns) fn kind(&self) -> u16 {
        match self {
            Self::A(_) => kind::A,
            Self::Aaaa(_) => kind::AAAA,
            Self::Cname(_) => kind::CNAME,
            Self::Ns(_) => kind::NS,
            Self::Soa(_) => kind::SOA,
            Self::Srv { .. } => kind::SRV,
            Self::Txt(_) => kind::TXT,
        }
    }
}
