//! Bringing a question to a region's leader, wherever it is, until there is an answer or the time
//! is up. A command carries its sequence number through every attempt, so it is applied once.

mod attempts;
mod command;
mod lease;
mod question;
#[cfg(test)]
mod tests;
mod traced;
mod wait;

use std::time::Duration;

pub(crate) use attempts::{may_retry, nobody_knows, until_answered};
pub(crate) use command::{attempts, carry, propose, propose_at};
pub(crate) use lease::{
    RENEWALS_TOGETHER, answer_lease, leader_round, lease_status, renew_leases, renew_now,
};
pub(crate) use question::{ask, ask_node, malformed, of_another_node};
pub(crate) use traced::Away;
pub(crate) use wait::{explain, patiently, until_none_is_left};

/// How long a request may take in all (etcd: 5 s plus two election timeouts).
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(7);
/// How often who waits for long looks whether there is any hope.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(250);
