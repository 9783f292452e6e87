//! No session ends before its time, nor after a renewal that was answered as done.

use std::collections::BTreeMap;

use state::registry::{Expiry, Name, RegistryCommand};
use types::Revision;

use super::{Fresh, at_least};
use crate::counts::Counts;
use crate::scenario::SESSION_TTL_MS;

/// Until when, in microseconds, each must live; when a leader's clock told the end of those that ended by
/// time; and when each that ended was gone.
#[derive(Default)]
pub(crate) struct Sessions {
    until: BTreeMap<Name, u64>,
    ended: BTreeMap<Name, u64>,
    gone: BTreeMap<Name, u64>,
    /// The revision that each was last changed at.
    modified: BTreeMap<Name, Revision>,
}

impl Sessions {
    /// A renewal that left at `from` was answered as done.
    pub(crate) fn renewed(&mut self, id: &Name, from: u64) -> Result<(), String> {
        let least = from + at_least(SESSION_TTL_MS);
        if let Some(gone) = self.gone.get(id).filter(|gone| **gone < from) {
            return Err(format!(
                "session {id} was renewed when asked at {from}, gone since {gone}"
            ));
        }
        if let Some(told) = self.ended.get(id) {
            return judge(id, least, *told);
        }
        if let Some(until) = self.until.get_mut(id) {
            *until = least.max(*until);
        }
        Ok(())
    }

    /// Until when it lives for sure.
    pub(crate) fn until(&self, id: &Name) -> u64 {
        self.until.get(id).copied().unwrap_or(0)
    }

    pub(crate) fn applied(
        &mut self,
        command: &RegistryCommand,
        at: &Fresh<'_>,
        counts: &mut Counts,
    ) -> Result<(), String> {
        if let RegistryCommand::Expire(expiries) = command {
            let only_sessions = expiries.iter().all(|it| matches!(it, Expiry::Session { .. }));
            for expiry in expiries {
                let Expiry::Session { id, modified } = expiry else { continue };
                let is_another = at.effects.registry.sessions.contains(id);
                // It may have ended by another expiry of the same command: that of what it hangs on.
                let is_told = only_sessions || self.modified.get(id) == Some(modified);
                if !is_another || !is_told || at.registry.session(id).value.is_some() {
                    counts.passed_over += 1;
                    continue;
                }
                counts.sessions_ended += 1;
                let told = at.told(expiry)?;
                let least = self.until.remove(id).unwrap_or(0);
                self.ended.insert(id.clone(), told);
                judge(id, least, told)?;
            }
        }
        for id in &at.effects.registry.sessions {
            let Some(session) = at.registry.session(id).value else {
                // Destroyed, or what it hung on went.
                self.until.remove(id);
                self.modified.remove(id);
                self.gone.insert(id.clone(), at.now);
                continue;
            };
            self.modified.insert(id.clone(), session.modified);
            let until = self.until.entry(id.clone()).or_default();
            *until = (at.now + at_least(SESSION_TTL_MS)).max(*until);
        }
        Ok(())
    }
}

fn judge(id: &Name, least: u64, told: u64) -> Result<(), String> {
    if least <= told {
        return Ok(());
    }
    Err(format!("session {id} ended {} microseconds early, told at {told}", least - told))
}
