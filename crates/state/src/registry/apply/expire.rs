//! What a leader's clock said is over. Between its word and its being applied anything can have
//! happened, so everything is looked at again: what is not any more what the leader saw stays.

use types::limits;

use super::Edit;
use crate::registry::command::Expiry;
use crate::registry::name::{InstanceKey, Name};
use crate::registry::record::Status;

/// What a check says of whose instance nothing was heard (Consul's words).
const SILENT: &str = "TTL expired";

impl Edit<'_> {
    /// Answers whether it did expire.
    pub(super) fn expire(&mut self, expiry: &Expiry) -> bool {
        match expiry {
            Expiry::Check { check, modified, status } => {
                let known = self.registry.check_at(check).cloned();
                let Some(known) = known.filter(|it| it.modified == *modified) else { return false };
                if known.status == *status {
                    return false;
                }
                let output = silent(&known.output);
                self.set_status(known, *status, output);
            }
            Expiry::Instance { check, modified } => {
                let known = self.registry.check_at(check).filter(|it| it.modified == *modified);
                let Some(known) = known.filter(|it| it.status == Status::Critical) else {
                    return false;
                };
                if known.is_of_node() {
                    return false;
                }
                let key = InstanceKey {
                    node: known.node.clone(),
                    namespace: known.namespace.clone(),
                    id: known.instance.clone(),
                };
                self.remove_instance(&key);
            }
            Expiry::Session { id, modified } => {
                let known = self.registry.sessions.get(id);
                if known.is_none_or(|it| it.modified != *modified) {
                    return false;
                }
                self.end_session(id);
            }
        }
        true
    }
}

fn silent(before: &Name) -> Name {
    if before.is_empty() || before.starts_with(SILENT) {
        return SILENT.into();
    }
    let mut text = format!("{SILENT} (last output before timeout follows): {before}");
    let mut end = text.len().min(limits::REGISTRY_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.into()
}
