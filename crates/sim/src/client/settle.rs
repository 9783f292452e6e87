//! Taking an answer, and telling the oracles.

use state::response::{Outcome, Response};
use types::{Code, RegionId};

use super::{Ask, Client, Job, Pending, Told};
use crate::event::Answer;
use crate::oracle::{Action, Seen};
use crate::sky::Sky;

/// The number a value stands for; values are padded, so that entries differ in size.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    value.get(..8).and_then(|front| front.try_into().ok()).map(u64::from_be_bytes)
}

fn count(sky: &mut Sky, ask: &Ask) {
    let counts = &mut sky.counts;
    *match ask {
        Ask::Register { action: Action::Put(_), .. } | Ask::LeasedPut { .. } => &mut counts.puts,
        Ask::Register { action: Action::Delete, .. } => &mut counts.deletes,
        Ask::Register { action: Action::Swap { .. }, .. } => &mut counts.swaps,
        Ask::Grant { .. } => &mut counts.grants,
        Ask::Renew { .. } => &mut counts.renewals,
        Ask::Revoke { .. } => &mut counts.revocations,
        Ask::Compact => &mut counts.compactions,
        Ask::Register { action: Action::Get, .. }
        | Ask::Misrouted { .. }
        | Ask::Make { .. }
        | Ask::Registry(_)
        | Ask::Say(_) => return,
    } += 1;
}

impl Client {
    pub(super) fn take(&mut self, sky: &mut Sky, answer: Answer) {
        let Some(pending) = self.pending.take() else { return };
        self.answered += 1;
        count(sky, &pending.ask);
        let region = self.region;
        let (revision, told) = match &answer {
            Answer::Found { revision, response } => {
                sky.counts.reads += 1;
                let value = response.kvs.first().and_then(|kv| number(&kv.value));
                (Some(*revision), Told::Seen(Seen::Value(value)))
            }
            Answer::Written(outcome) => {
                sky.counts.writes += 1;
                self.acknowledge(sky, &pending, outcome);
                (Some(outcome.revision), self.told(sky, &pending, outcome))
            }
            Answer::Renewed(left) => {
                if let Ask::Renew { lease } = pending.ask
                    && *left > 0
                {
                    let verdict = sky.oracles.leases.renewed(region, lease, pending.started, *left);
                    sky.judge("lease safety", verdict);
                }
                (None, Told::Done)
            }
            Answer::Told(..) => (None, Told::Done),
        };
        if let Answer::Told(told, since) = answer {
            self.take_told(sky, &pending, told, since);
        }
        if let Some(revision) = revision
            // A retry is told the revision of its first time, which may be older than the question.
            && (pending.attempts == 1 || pending.sequence.is_none())
        {
            let verdict = match &pending.ask {
                Ask::Register { key, .. } if self.is_sharded(sky) => {
                    sky.oracles.revisions.answered_of(key, pending.floor, revision)
                }
                _ => sky.oracles.revisions.answered(region, pending.floor, revision),
            };
            sky.judge("real time", verdict);
        }
        if pending.sequence.is_some() {
            self.settle_unsettled(sky, &pending.ask);
        }
        if let Told::Seen(seen) = told {
            self.record(sky, &pending, seen);
        }
        let numbers = [self.at as u64, revision.map_or(0, |it| it.get().cast_unsigned()), 0, 0];
        sky.note(types::NodeId(0), "is answered", numbers);
        let think = self.think(sky);
        self.wake(sky, think);
    }

    fn acknowledge(&mut self, sky: &mut Sky, pending: &Pending, outcome: &Outcome) {
        let Some(sequence) = pending.sequence else { return };
        self.acknowledged = sequence;
        let revision = outcome.revision;
        let verdict = match &outcome.result {
            Ok(_) => sky.oracles.once.acknowledged(self.region, self.id, sequence, revision),
            Err(fault) if matches!(fault.code, Code::SessionExpired | Code::OutcomeNotKept) => {
                Err(format!(
                    "region {}: command {sequence} of client {}: {fault}",
                    self.region, self.id
                ))
            }
            Err(_) => Ok(()),
        };
        sky.judge("exactly once", verdict);
    }

    fn told(&mut self, sky: &mut Sky, pending: &Pending, outcome: &Outcome) -> Told {
        let value = |kv: Option<&state::response::KeyValue>| kv.and_then(|kv| number(&kv.value));
        let response = match &outcome.result {
            Ok(response) => response,
            Err(fault) => {
                self.refused(sky, pending, fault.code);
                return Told::Done;
            }
        };
        match (&pending.ask, response) {
            (Ask::Register { .. }, Response::Put { prev }) => {
                Told::Seen(Seen::Value(value(prev.as_ref())))
            }
            (Ask::Register { .. }, Response::Delete { prev, .. }) => {
                Told::Seen(Seen::Value(value(prev.first())))
            }
            (Ask::Register { .. }, Response::Txn { succeeded: true, .. }) => {
                Told::Seen(Seen::Swapped)
            }
            (Ask::Register { .. }, Response::Txn { responses, .. }) => match responses.first() {
                Some(Response::Range(found)) => Told::Seen(Seen::Kept(value(found.kvs.first()))),
                _ => self.strange(sky, response),
            },
            (Ask::Grant { lease, .. }, Response::LeaseGranted { id, .. }) if lease == id => {
                self.lease = Some(*lease);
                Told::Done
            }
            (Ask::LeasedPut { .. }, Response::Put { .. }) | (Ask::Compact, Response::Compacted) => {
                Told::Done
            }
            (Ask::Revoke { lease }, Response::LeaseRevoked) => {
                (self.lease, self.gone) = (None, Some(*lease));
                Told::Done
            }
            (Ask::Registry(_), Response::Registry(answer)) => {
                self.registered(sky, &pending.ask, answer);
                Told::Done
            }
            (Ask::Make { .. }, Response::Keyspace(record)) => {
                self.made_regions.push(record.region);
                Told::Done
            }
            _ => self.strange(sky, response),
        }
    }

    /// The machine refused the command: a history with a hole would prove nothing, so only what may
    /// be refused is.
    fn refused(&mut self, sky: &mut Sky, pending: &Pending, code: Code) {
        let fine = match (&pending.ask, code) {
            (Ask::Registry(command), code) => self.not_registered(command, code),
            (Ask::LeasedPut { lease, .. } | Ask::Revoke { lease }, Code::LeaseNotFound) => {
                (self.lease, self.gone) = (None, Some(*lease));
                true
            }
            (Ask::Misrouted { .. }, Code::EpochMismatch) => {
                sky.counts.misrouted += 1;
                true
            }
            (Ask::Compact, Code::Compacted | Code::FutureRevision)
            | (Ask::Grant { .. }, Code::LeaseExists)
            // The cluster has no identity yet.
            | (Ask::Make { .. }, Code::KeyspaceExists | Code::Unsupported) => true,
            _ => false,
        };
        if !fine {
            sky.fail("answers", format!("{:?} was refused: {code:?}", pending.ask));
        }
    }

    fn strange(&self, sky: &mut Sky, response: &Response) -> Told {
        sky.fail("answers", format!("client {} got {response:?}", self.at));
        Told::Done
    }

    fn record(&mut self, sky: &mut Sky, pending: &Pending, seen: Seen) {
        let Ask::Register { key, action } = &pending.ask else { return };
        if let Some(place) = &pending.place {
            let end = sky.ticket();
            sky.oracles.histories.end(place, end, seen);
        }
        let now = match (action, seen) {
            (Action::Put(new), _) => Some(*new),
            (Action::Delete, _) => None,
            (Action::Swap { new, .. }, Seen::Swapped) => Some(*new),
            (_, Seen::Value(value) | Seen::Kept(value)) => value,
            (_, Seen::Nothing | Seen::Swapped) => return,
        };
        self.seen.insert(key.clone(), now);
        if self.job == Job::Counter && seen == Seen::Swapped {
            sky.oracles.counters.acknowledged(self.region, key);
        }
    }

    /// The regions made so far, each told once.
    pub(crate) fn take_made(&mut self) -> Vec<RegionId> {
        std::mem::take(&mut self.made_regions)
    }
}
