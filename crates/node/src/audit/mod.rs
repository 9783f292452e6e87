//! The audit log: who changed rights, who was refused what, who ran the cluster. One line of JSON each, in
//! files of bounded size and number. Requests do not wait for it: a line that finds no room, or that cannot
//! be written, is counted and told in the node's log. `docs/architecture/auth.md` says why.

mod denials;
mod file;
mod log;
mod record;

#[cfg(test)]
mod tests;

pub use denials::Refusal;
pub use log::{Audit, AuditSettings, AuditTally};
pub use record::{AuditKind, AuditRecord, OK, Sender, UNKNOWN};
