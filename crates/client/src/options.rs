use std::time::Duration;

use crate::{Tls, Token, User};

/// How a [`crate::Client`] behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The keyspace of every request; `None` for `default`.
    pub keyspace: Option<String>,
    /// Who asks; needed where the cluster knows users, and of no effect where it does not.
    pub user: Option<User>,
    /// A token of Consul's ACL, in place of a user; needed where the ACL is on.
    pub token: Option<Token>,
    /// How TLS is spoken with endpoints that are given as `https://` or without a scheme. `None`: with those
    /// of `https://`, and then with all that servers name, by the authorities of the system.
    pub tls: Option<Tls>,
    /// How long one request may take in all, attempts elsewhere included. The server's own limit is
    /// 7 s; with less the client gives up first.
    pub timeout: Duration,
    /// How often all endpoints are tried for one request before giving up; 0 as often as `timeout`
    /// allows.
    pub rounds: u32,
    /// Send what is about a key to the node that leads its region, found out and kept by the client, at
    /// the address that node says clients reach it at. Else to whichever endpoint is in use, which hands it
    /// on. What fails there goes to the endpoints. Reads of a copy, however old, stay with the endpoints.
    pub direct: bool,
    /// Give puts, removals and transactions that write a number, by which servers know one that is sent
    /// again. Then one whose server was lost, or did not answer, is sent to another one, and is carried out
    /// once. The outcome stays unknown only where `timeout` passes first, or 4,096 other clients wrote to the
    /// region in between.
    pub exactly_once: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keyspace: None,
            user: None,
            token: None,
            tls: None,
            timeout: Duration::from_secs(10),
            rounds: 0,
            direct: false,
            exactly_once: false,
        }
    }
}
