//! What a client asks next, by its job.

use bytes::{BufMut, Bytes, BytesMut};
use state::command::{Command, Envelope, SessionTag};
use state::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, RangeRequest, TxnOp,
    TxnRequest,
};
use types::{Epoch, KeyRange, LeaseId, Revision};

use super::{Ask, Client, Job};
use crate::event::Body;
use crate::mutant::Mutant;
use crate::oracle::Action;
use crate::sky::Sky;

/// Keys that all clients of a region share.
const SLOTS: u64 = 3;
/// The slot of the key that is counted up.
const COUNTER: u64 = 9;
const SHAPE: Epoch = Epoch { version: 1, conf_ver: 1 };

impl Client {
    /// Microseconds until the next question.
    pub(super) fn think(&self, sky: &mut Sky) -> u64 {
        match self.job {
            Job::Registers | Job::Counter => sky.between(1_000, sky.settings.think_micros),
            Job::Leases => sky.between(50_000, 400_000),
            Job::Compactor => sky.between(150_000, 900_000),
            Job::Maker => sky.between(10_000, 600_000),
            Job::Probe { .. } => 1_000,
            Job::Instance { .. } => sky.between(80_000, 280_000),
            Job::Locker => sky.between(20_000, 250_000),
        }
    }

    /// `None` if there is nothing to do.
    pub(super) fn choose(&mut self, sky: &mut Sky) -> Option<Ask> {
        let beats = matches!(self.job, Job::Instance { .. } | Job::Locker);
        if sky.now < sky.quiet_until && self.job != Job::Registers && !beats {
            return None;
        }
        match self.job {
            Job::Registers => Some(self.choose_register(sky)),
            Job::Counter => {
                let key = sky.oracles.histories.key(self.region, COUNTER);
                let action = match self.seen.get(&key) {
                    Some(value) if !sky.random.chance(10) => {
                        Action::Swap { expect: *value, new: value.unwrap_or(0) + 1 }
                    }
                    _ => Action::Get,
                };
                Some(Ask::Register { key, action })
            }
            Job::Leases => Some(self.choose_lease(sky)),
            Job::Compactor => Some(Ask::Compact),
            Job::Maker => {
                if self.made_enough(sky) {
                    self.stopped = true;
                    return None;
                }
                self.made += 1;
                Some(Ask::Make { name: format!("space-{}", self.made) })
            }
            Job::Probe { .. } => None,
            Job::Instance { service, number } => self.choose_instance(sky, service, number),
            Job::Locker => self.choose_lock(sky),
        }
    }

    fn made_enough(&self, sky: &Sky) -> bool {
        self.made >= sky.settings.keyspaces
    }

    fn choose_register(&self, sky: &mut Sky) -> Ask {
        let slots = if self.is_sharded(sky) { 8 } else { SLOTS };
        let slot = sky.random.below(slots);
        let key = sky.oracles.histories.key(self.region, slot);
        let new = sky.ticket();
        if sky.now >= sky.quiet_until && sky.random.chance(2) && !self.is_sharded(sky) {
            return Ask::Misrouted { key };
        }
        let kind = if sky.now < sky.quiet_until { 0 } else { sky.random.below(100) };
        let action = match kind {
            0..40 => Action::Get,
            40..75 => Action::Put(new),
            75..85 => Action::Delete,
            _ => Action::Swap { expect: self.seen.get(&key).copied().flatten(), new },
        };
        Ask::Register { key, action }
    }

    fn choose_lease(&self, sky: &mut Sky) -> Ask {
        let Some(lease) = self.lease else {
            let lease = LeaseId(i64::try_from(sky.ticket()).unwrap_or(1));
            let ttl_seconds = if sky.random.chance(70) { 1 } else { 2 };
            return Ask::Grant { lease, ttl_seconds };
        };
        match sky.random.below(100) {
            0..45 => {
                return Ask::Renew {
                    lease: self.gone.filter(|_| sky.random.chance(15)).unwrap_or(lease),
                };
            }
            45..55 => {
                sky.oracles.leases.give_up(self.region, lease);
                return Ask::Revoke { lease };
            }
            _ => {}
        }
        let key = Bytes::from(format!("leased-{lease}-{}", sky.random.below(2)));
        Ask::LeasedPut { key, lease }
    }

    /// The question as it goes to a node, with its number if it is a command.
    pub(super) fn body(&mut self, sky: &mut Sky, ask: &Ask) -> (Body, Option<u64>) {
        let command = match ask {
            Ask::Register { key, action: Action::Get } => {
                let range = KeyRange::single(key);
                let request = RangeRequest { range, ..RangeRequest::default() };
                let by_lease = sky.now < sky.quiet_until || sky.random.chance(35);
                let body = if by_lease { Body::LeaseRead(request) } else { Body::Read(request) };
                return (body, None);
            }
            Ask::Renew { lease } => return (Body::Renew(*lease), None),
            Ask::Say(said) => return (Body::Say(said.clone()), None),
            Ask::Registry(command) => Command::Registry(command.clone()),
            Ask::Misrouted { key } => {
                let (key, value) = (key.clone(), padded(sky, 0));
                let command = Command::Put(PutRequest { key, value, ..PutRequest::default() });
                let epoch = Epoch { version: 2 * sky.random.below(2), ..SHAPE };
                let data = Envelope { epoch, session: None, command }.encode();
                return (Body::Write { data, tag: (0, sky.ticket()) }, None);
            }
            Ask::Revoke { lease } => Command::LeaseRevoke { id: *lease },
            Ask::Register { key, action } => change(sky, key, *action),
            Ask::Grant { lease, ttl_seconds } => {
                Command::LeaseGrant { id: *lease, ttl_seconds: *ttl_seconds }
            }
            Ask::LeasedPut { key, lease } => {
                let (key, value) = (key.clone(), padded(sky, 1));
                Command::Put(PutRequest { key, value, lease: *lease, ..PutRequest::default() })
            }
            Ask::Compact => {
                let newest = sky.oracles.revisions.floor(self.region).get();
                Command::Compact { revision: Revision((newest - 15).max(1)) }
            }
            Ask::Make { name } if sky.settings.sharded.is_some() => {
                let replicas = sky.settings.replicas;
                Command::CreateSharded {
                    name: name.clone(),
                    split_at: Vec::new(),
                    replicas,
                    in_memory: false,
                }
            }
            Ask::Make { name } => Command::CreateKeyspace { name: name.clone() },
        };
        self.sequence += 1;
        let (client, sequence) = (self.id, self.sequence);
        let tag = SessionTag { client, sequence, acknowledged: self.acknowledged, again: false };
        let session = (sky.mutant != Some(Mutant::ForgetSessions)).then_some(tag);
        let envelope = Envelope { epoch: SHAPE, session, command };
        (Body::Write { data: envelope.encode(), tag: (client, sequence) }, Some(sequence))
    }
}

fn change(sky: &mut Sky, key: &Bytes, action: Action) -> Command {
    let range = KeyRange::single(key);
    match action {
        Action::Get | Action::Delete => Command::Delete(DeleteRequest { range, prev_kv: true }),
        Action::Put(new) => {
            let (key, value) = (key.clone(), padded(sky, new));
            Command::Put(PutRequest { key, value, prev_kv: true, ..PutRequest::default() })
        }
        Action::Swap { expect, new } => Command::Txn(swap(sky, key, expect, new)),
    }
}

fn swap(sky: &mut Sky, key: &Bytes, expect: Option<u64>, new: u64) -> TxnRequest {
    let range = KeyRange::single(key);
    let compare = |start: Bytes, result, target| Compare {
        range: KeyRange::single(&start),
        single: true,
        result,
        target,
    };
    // Padding depends on the number alone, so the whole value can be compared.
    let compare = match expect {
        None => compare(key.clone(), CompareResult::Equal, CompareTarget::Version(0)),
        Some(value) => {
            let value = padded(sky, value);
            compare(key.clone(), CompareResult::Equal, CompareTarget::Value(value))
        }
    };
    let put = PutRequest { key: key.clone(), value: padded(sky, new), ..PutRequest::default() };
    TxnRequest {
        compare: vec![compare],
        success: vec![TxnOp::Put(put)],
        failure: vec![TxnOp::Range(RangeRequest { range, ..RangeRequest::default() })],
    }
}

/// A value for a number; now and then one that fills several sectors.
fn padded(sky: &Sky, number: u64) -> Bytes {
    let mixed = crate::trace::mix(1, number);
    let len = match mixed % 16 {
        0 => sky.settings.large_value_bytes,
        1..4 => 500,
        _ => 20,
    };
    let mut value = BytesMut::with_capacity(8 + len);
    value.put_u64(number);
    value.put_bytes(b'.', len);
    value.freeze()
}
