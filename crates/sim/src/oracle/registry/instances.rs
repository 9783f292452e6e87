//! Who is heard in time is not lost, who was registered is there, and who is silent goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use state::registry::{CheckKey, Expiry, InstanceKey, Registry, RegistryCommand, Status, Target};

use super::{Fresh, at_least};
use crate::counts::Counts;
use crate::scenario::{DEREGISTER_AFTER_MS, TTL_MS};

/// More than are answered while a loss is on its way through the log.
const WORDS: usize = 32;

/// Instances, and the words of their checks. A check has the id of its instance.
#[derive(Default)]
pub(crate) struct Instances {
    there: BTreeSet<InstanceKey>,
    /// The last words that were answered as heard: when they left, and when they were answered.
    heard: BTreeMap<CheckKey, VecDeque<(u64, u64)>>,
    /// The same, where nothing was to be mended.
    well: BTreeMap<CheckKey, u64>,
    /// When a registration or a word in the log last changed the check to anything but critical.
    written: BTreeMap<CheckKey, u64>,
    /// When it last turned critical.
    critical: BTreeMap<CheckKey, u64>,
    /// When anything was last said of it, answered or not.
    spoke: BTreeMap<CheckKey, u64>,
    /// When it was last applied to be as it is.
    moved: BTreeMap<CheckKey, u64>,
}

impl Instances {
    /// Somebody is about to say something.
    pub(crate) fn spoke(&mut self, check: &CheckKey, now: u64) {
        self.spoke.insert(check.clone(), now);
    }

    /// When that was, or the log last had something of it.
    pub(super) fn last_word(&self, check: &CheckKey) -> u64 {
        let at = |times: &BTreeMap<CheckKey, u64>| times.get(check).copied().unwrap_or(0);
        at(&self.spoke).max(at(&self.moved))
    }

    /// Since when it is critical.
    pub(super) fn critical_since(&self, check: &CheckKey) -> u64 {
        self.critical.get(check).copied().unwrap_or(0)
    }

    /// Who beat a moment ago and had nothing to mend is there, and not critical.
    pub(crate) fn living(&self, registry: &Registry, now: u64) -> Result<(), String> {
        let living = self.well.iter().filter(|(_, well)| **well + at_least(TTL_MS) / 2 > now);
        for (check, well) in living {
            let status = registry.check(check).map(|known| known.check.status);
            if status.is_none_or(|status| status == Status::Critical) {
                return Err(format!("{check} was well at {well} and is {status:?} at {now}"));
            }
        }
        Ok(())
    }

    /// A beat that left at `from` was answered as heard; `well`: there is nothing to mend.
    pub(crate) fn beat(&mut self, check: &CheckKey, (from, now): (u64, u64), well: bool) {
        let heard = self.heard.entry(check.clone()).or_default();
        heard.push_back((from, now));
        if heard.len() > WORDS {
            heard.pop_front();
        }
        if well {
            let well = self.well.entry(check.clone()).or_default();
            *well = from.max(*well);
        }
    }

    pub(crate) fn applied(
        &mut self,
        command: &RegistryCommand,
        at: &Fresh<'_>,
        counts: &mut Counts,
    ) -> Result<(), String> {
        if at.effects.outcome.result.is_err() {
            return self.all_there(at).map_err(|what| format!("{what}; after {command:?}"));
        }
        match command {
            RegistryCommand::Register(registration) => {
                if let Some(instance) = &registration.instance {
                    let (node, id) = (&registration.node.name, &instance.id);
                    self.there.insert(InstanceKey::new(node, &instance.namespace, id));
                }
                for it in &registration.checks {
                    let check = &it.check;
                    let node = &registration.node.name;
                    self.wrote(&CheckKey::new(node, &check.namespace, &check.id), at);
                }
            }
            RegistryCommand::UpdateCheck { check, .. } => self.wrote(check, at),
            RegistryCommand::Deregister(Target::Instance(key)) => {
                self.there.remove(key);
            }
            RegistryCommand::Expire(expiries) => {
                for expiry in expiries {
                    self.expired(expiry, at, counts)?;
                }
            }
            _ => {}
        }
        self.all_there(at).map_err(|what| format!("{what}; after {command:?}"))
    }

    /// A command said how a check stands.
    fn wrote(&mut self, key: &CheckKey, at: &Fresh<'_>) {
        let Some(known) = at.registry.check(key) else { return };
        self.moved.insert(key.clone(), at.now);
        // What changed nothing may be in the log before a loss that was told earlier.
        if !at.changed(known.check.modified) {
            return;
        }
        if known.check.status == Status::Critical {
            self.critical.insert(key.clone(), at.now);
        } else {
            self.written.insert(key.clone(), at.now);
        }
    }

    fn expired(
        &mut self,
        expiry: &Expiry,
        at: &Fresh<'_>,
        counts: &mut Counts,
    ) -> Result<(), String> {
        let told = at.told(expiry)?;
        match expiry {
            Expiry::Check { check, .. } => {
                let known = at.registry.check(check);
                if known.is_none_or(|known| !at.changed(known.check.modified)) {
                    counts.passed_over += 1;
                    return Ok(());
                }
                counts.losses += 1;
                self.critical.insert(check.clone(), at.now);
                self.moved.insert(check.clone(), at.now);
                // What was answered after the loss was told may have been heard after it, too: that is
                // mended, not prevented.
                let words = self.heard.get(check).into_iter().flatten();
                let before = words.filter(|(_, answered)| *answered <= told);
                if let Some(heard) = before.map(|(from, _)| *from).max() {
                    judge_loss(check, heard, told)?;
                }
                match self.written.get(check) {
                    Some(written) => judge_loss(check, *written, told),
                    None => Err(format!("{check} is lost and was never there")),
                }
            }
            Expiry::Instance { check, .. } => {
                let key = InstanceKey::new(&check.node, &check.namespace, &check.id);
                if at.registry.instance(&key).is_some() || !self.there.remove(&key) {
                    counts.passed_over += 1;
                    return Ok(());
                }
                counts.removals += 1;
                let since = self.critical.get(check).copied().unwrap_or(u64::MAX);
                let well = self.well.get(check).copied().unwrap_or(0);
                let least = since.max(well).saturating_add(at_least(DEREGISTER_AFTER_MS));
                if told < least {
                    return Err(format!(
                        "{key} is removed {} microseconds early, told at {told}",
                        least - told
                    ));
                }
                Ok(())
            }
            Expiry::Session { .. } => Ok(()),
        }
    }

    /// What was registered and neither taken back nor lost is there, and nothing else.
    fn all_there(&self, at: &Fresh<'_>) -> Result<(), String> {
        let missing = self.there.iter().find(|key| at.registry.instance(key).is_none());
        if let Some(key) = missing {
            return Err(format!("{key} is gone, nobody took it back and it was not silent"));
        }
        let [.., count, _] = at.registry.counts();
        if count != self.there.len() {
            return Err(format!("{count} instances, {} were registered", self.there.len()));
        }
        Ok(())
    }
}

/// Words that were heard at `heard` or later count against a loss that was told at `told`.
fn judge_loss(check: &CheckKey, heard: u64, told: u64) -> Result<(), String> {
    let until = heard + at_least(TTL_MS);
    if until <= told {
        return Ok(());
    }
    Err(format!("{check} was heard at {heard} and lost at {told}, {} early", until - told))
}
