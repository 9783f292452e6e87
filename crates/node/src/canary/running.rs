use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use configuration::canary::{Counts, Decision, decide};
use configuration::key::{self, Place};
use configuration::plan::{Base, end_gray, promote_if_none_failed};
use configuration::record::{Head, Outcome, decode};
use configuration::{Name, limits};
use state::command::Command;
use state::request::RangeRequest;
use state::response::{EventKind, KeyValue, Response};
use types::{Fault, KeyRange, KeyspaceId};

use super::AGAIN_MS;
use crate::answer::Consistency;
use crate::handle::Handle;
use crate::watch::WatchEvent;

/// Configurations read at once.
const PAGE: u64 = 256;

/// The canaries that are running.
#[derive(Default)]
pub(super) struct Running {
    canaries: BTreeMap<Name, Canary>,
    /// Of which something is to be found out.
    dirty: BTreeSet<Name>,
    /// Which could not be brought to their end, and are tried again
    failed: BTreeSet<Name>,
    /// then, in milliseconds since 1970.
    again: u64,
    /// A head that cannot be read.
    unreadable: Option<Fault>,
}

struct Canary {
    base: Base,
    /// When its time is over, in milliseconds since 1970.
    until: u64,
}

impl Running {
    /// All there are, by this node's copy.
    pub(super) async fn read(handle: &Handle, keyspace: KeyspaceId) -> Result<Self, Fault> {
        let mut running = Self::default();
        let mut start = KeyRange::prefix(&Bytes::new()).start;
        let mut foreign = 0_u64;
        loop {
            // The first key of a group, then its heads, then behind the group: versions are not passed.
            let rest = KeyRange { start: start.clone(), end: None };
            let first = RangeRequest { keys_only: true, ..request(rest, 1) };
            let first = read(handle, keyspace, first).await?;
            let Some(kv) = first.first() else { break };
            let Some((namespace, group)) = key::group_of(&kv.key) else {
                // Somebody's own key.
                foreign += 1;
                start = key::behind_foreign(&kv.key);
                continue;
            };
            let mut range = key::heads(namespace, group, "", None)?;
            loop {
                let page = read(handle, keyspace, request(range.clone(), PAGE)).await?;
                let Some(last) = page.last() else { break };
                range.start = KeyRange::single(&last.key).end.unwrap_or_default();
                page.iter().for_each(|kv| running.know(kv));
            }
            start = key::behind_group(namespace, group);
        }
        if foreign > 0
            && let Some(unsaid) = handle.shared.say("foreign keys of configurations")
        {
            tracing::warn!(foreign, unsaid, "keys of the keyspace `config` are no configurations");
        }
        Ok(running)
    }

    fn know(&mut self, kv: &KeyValue) {
        let Some((_, _, Place::Head(name))) = key::place(&kv.key) else { return };
        self.canaries.remove(&name);
        let head: Head = match decode(&kv.key, &kv.value) {
            Ok(head) => head,
            // Whoever asks for it is told.
            Err(fault) => {
                self.unreadable = Some(fault);
                return;
            }
        };
        self.failed.remove(&name);
        let canary = head.gray.as_ref().and_then(|gray| gray.canary.as_ref());
        let Some(until) = canary.map(|canary| canary.ends_at_ms) else { return };
        let base = Base { name: name.clone(), head: Some(head), revision: kv.mod_revision };
        self.dirty.insert(name.clone());
        self.canaries.insert(name, Canary { base, until });
    }

    /// Something happened.
    pub(super) fn take(&mut self, event: &WatchEvent) {
        match (key::place(&event.kv.key), event.kind) {
            (Some((_, _, Place::Head(_))), EventKind::Put) => self.know(&event.kv),
            (Some((_, _, Place::Head(name))), EventKind::Delete) => {
                self.canaries.remove(&name);
            }
            (Some((_, _, Place::Report(name))), _) if self.canaries.contains_key(&name) => {
                self.dirty.insert(name);
            }
            _ => {}
        }
    }

    /// Ends what is to end, and answers how long nothing has to be looked at. One that cannot be ended holds
    /// up no other: it is tried again a little later.
    pub(super) async fn settle(
        &mut self,
        handle: &Handle,
        keyspace: KeyspaceId,
    ) -> Option<Duration> {
        if let Some(fault) = self.unreadable.take()
            && let Some(unsaid) = handle.shared.say("configurations that cannot be read")
        {
            tracing::warn!(%fault, unsaid, "a configuration cannot be read, and has no canary");
        }
        let now = handle.wall_millis();
        // Also when the clock was set back.
        if self.again <= now || self.again > now.saturating_add(AGAIN_MS) {
            self.dirty.append(&mut self.failed);
        }
        let due = self.canaries.iter().filter(|(_, canary)| canary.until <= now);
        let mut look: BTreeSet<Name> = due.map(|(name, _)| name.clone()).collect();
        look.append(&mut self.dirty);
        for name in look.difference(&self.failed).cloned().collect::<Vec<_>>() {
            let Some(canary) = self.canaries.get(&name) else { continue };
            match settle(handle, keyspace, &canary.base, now).await {
                Ok(Settled::Waits) => {}
                Ok(Settled::Over | Settled::Changed(None)) => drop(self.canaries.remove(&name)),
                Ok(Settled::Changed(Some(kv))) => self.know(&kv),
                Err(fault) => {
                    if let Some(unsaid) = handle.shared.say("canary") {
                        tracing::warn!(%name, %fault, unsaid, "a canary cannot be brought to its end yet");
                    }
                    self.failed.insert(name);
                    self.again = now.saturating_add(AGAIN_MS);
                }
            }
        }
        if !self.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        let waits = self.canaries.iter().filter(|(name, _)| !self.failed.contains(*name));
        let until = waits.map(|(_, canary)| canary.until);
        let until = until.chain((!self.failed.is_empty()).then_some(self.again)).min();
        until.map(|until| Duration::from_millis(until.saturating_sub(handle.wall_millis())))
    }
}

enum Settled {
    /// It is not at its end.
    Waits,
    Over,
    /// Somebody changed it meanwhile, or a failure was reported: as it is now.
    Changed(Option<KeyValue>),
}

async fn settle(
    handle: &Handle,
    keyspace: KeyspaceId,
    base: &Base,
    now: u64,
) -> Result<Settled, Fault> {
    let Some(gray) = base.head.as_ref().and_then(|head| head.gray.as_ref()) else {
        return Ok(Settled::Over);
    };
    let (name, version) = (&base.name, gray.version());
    let counts = Counts {
        ok: count(handle, keyspace, key::reports(name, version, false)).await?,
        failed: count(handle, keyspace, key::reports(name, version, true)).await?,
    };
    let (outcome, why) = match decide(gray, counts, now) {
        None => return Ok(Settled::Over),
        Some(Decision::Wait(_)) => return Ok(Settled::Waits),
        Some(Decision::Promote(why)) => (Outcome::Promoted, why),
        Some(Decision::Abort(why)) => (Outcome::Aborted, why),
        Some(Decision::RollBack(why)) => (Outcome::RolledBack, why),
    };
    let planned = match outcome {
        Outcome::Promoted => promote_if_none_failed(base, now, &why)?,
        _ => end_gray(base, outcome, now, &why)?,
    };
    let answer = handle.propose(keyspace, Command::Txn(planned.txn)).await?;
    if matches!(answer.body, Response::Txn { succeeded: true, .. }) {
        tracing::info!(%name, version, ?outcome, why, "a canary has ended");
        return Ok(Settled::Over);
    }
    // What that wrote is in this node's copy.
    let head = request(KeyRange::single(&key::head(name)), 1);
    let now = handle.range(keyspace, head, Consistency::Linearizable).await?;
    Ok(Settled::Changed(now.body.kvs.into_iter().next()))
}

fn request(range: KeyRange, limit: u64) -> RangeRequest {
    RangeRequest { range, limit, ..RangeRequest::default() }
}

async fn read(
    handle: &Handle,
    keyspace: KeyspaceId,
    request: RangeRequest,
) -> Result<Vec<KeyValue>, Fault> {
    Ok(handle.range(keyspace, request, Consistency::Stale).await?.body.kvs)
}

/// How many keys a range has, as far as that is looked at.
async fn count(handle: &Handle, keyspace: KeyspaceId, range: KeyRange) -> Result<u32, Fault> {
    let request = RangeRequest { count_only: true, ..request(range, 0) };
    let count = handle.range(keyspace, request, Consistency::Stale).await?.body.count;
    Ok(u32::try_from(count).map_or(limits::REPORTS, |count| count.min(limits::REPORTS)))
}
