use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::der::{
    BOOLEAN, GENERALIZED_TIME, IA5, OCTETS, OID, PRINTABLE, Reader, SEQUENCE, SET, UTC_TIME, UTF8,
    time,
};
use crate::error::Error;
use crate::role::{Role, Roles};
use crate::{files, notice};

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// Context tags of a certificate's optional parts: its version and its extensions,
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// and of kinds of names.
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;
/// Bytes of a common name (RFC 5280, A.1: 64 characters).
const NAME_BYTES: usize = 256;

/// What a certificate says, as far as anything here asks for it. Whether it is true is for who verifies it
/// to say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Certificate {
    /// Whose it is. `None` if it does not say, or says two.
    pub common_name: Option<String>,
    /// The common name of who made it.
    pub issuer: Option<String>,
    /// From when on it counts, in seconds of 1970.
    pub not_before: u64,
    /// Until when.
    pub not_after: u64,
    /// Hosts and addresses it is for.
    pub hosts: Vec<String>,
    /// What for.
    pub roles: Roles,
}

impl Certificate {
    /// Reads a certificate in DER; `None` for what is none.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let mut signed = Reader(Reader(der).expect(SEQUENCE)?);
        let mut fields = Reader(signed.expect(SEQUENCE)?);
        fields.optional(VERSION);
        // Its number and the kind of its signature.
        fields.next()?;
        fields.expect(SEQUENCE)?;
        let issuer = common_name(fields.expect(SEQUENCE)?);
        let mut times = Reader(fields.expect(SEQUENCE)?);
        let mut moment = || {
            let (tag, text) = times.next()?;
            time(tag, text).filter(|_| [UTC_TIME, GENERALIZED_TIME].contains(&tag))
        };
        let (not_before, not_after) = (moment()?, moment()?);
        let common_name = common_name(fields.expect(SEQUENCE)?);
        let mut certificate =
            Self { common_name, issuer, not_before, not_after, ..Self::default() };
        // The key, and the two numbers that nobody uses.
        fields.expect(SEQUENCE)?;
        fields.optional(0x81);
        fields.optional(0x82);
        if let Some(extensions) = fields.optional(EXTENSIONS) {
            let mut extensions = Reader(Reader(extensions).expect(SEQUENCE)?);
            while let Some(extension) = extensions.optional(SEQUENCE) {
                let mut extension = Reader(extension);
                let kind = extension.expect(OID)?;
                extension.optional(BOOLEAN);
                let value = extension.expect(OCTETS)?;
                if kind == ALTERNATIVE_NAMES {
                    certificate.take_names(Reader(value).expect(SEQUENCE)?);
                }
            }
        }
        Some(certificate)
    }

    /// The certificates in a file, in their order.
    ///
    /// # Errors
    /// It cannot be read, or has none.
    pub fn of_file(path: &Path) -> Result<Vec<Self>, Error> {
        let broken = || Error::Broken {
            path: path.to_owned(),
            wanted: "certificate",
            why: "it is no X.509 certificate".to_owned(),
        };
        files::certificates(path)?.iter().map(|der| Self::parse(der).ok_or_else(broken)).collect()
    }

    /// The days between which it counts.
    #[must_use]
    pub fn days(&self) -> (String, String) {
        (notice::day(self.not_before), notice::day(self.not_after))
    }

    fn take_names(&mut self, names: &[u8]) {
        let mut names = Reader(names);
        while let Some((kind, name)) = names.next() {
            let text = std::str::from_utf8(name).ok();
            match (kind, text) {
                (DNS, Some(name)) => self.hosts.push(name.to_owned()),
                (URI, Some(uri)) => self.roles.note(uri),
                (IP, _) => self.hosts.extend(address(name)),
                _ => {}
            }
        }
    }

    /// The user that it names: only a client's certificate names one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.common_name.as_deref().filter(|_| self.roles.has(Role::Client))
    }
}

/// The bytes of a certificate's subject.
pub(crate) fn subject(der: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader(Reader(Reader(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
    fields.optional(VERSION);
    fields.next()?;
    // The kind of its signature, who made it, its times.
    for _ in 0..3 {
        fields.expect(SEQUENCE)?;
    }
    fields.expect(SEQUENCE)
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).to_string());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string())
}

/// The one common name of a distinguished name.
fn common_name(name: &[u8]) -> Option<String> {
    let mut sets = Reader(name);
    let mut found = None;
    while let Some(set) = sets.optional(SET) {
        let mut set = Reader(set);
        while let Some(part) = set.optional(SEQUENCE) {
            let mut part = Reader(part);
            if part.expect(OID)? != COMMON_NAME {
                continue;
            }
            let (tag, text) = part.next()?;
            let fits = [UTF8, PRINTABLE, IA5].contains(&tag) && text.len() <= NAME_BYTES;
            let text = std::str::from_utf8(text).ok().filter(|_| fits)?;
            // Two names are two users: nobody is asked which.
            if found.replace(text).is_some() {
                return None;
            }
        }
    }
    // It goes into logs, and into headers inside this process.
    let is_plain = |text: &&str| !text.is_empty() && !text.chars().any(char::is_control);
    found.filter(is_plain).map(str::to_owned)
}
