//! Envelopes, as log entries carry them.

use bytes::Bytes;
use types::{ClusterId, Epoch, NodeId, RegionId};

use super::VERSION;
use super::auth::{get_auth, put_auth};
use super::primitives::{CodecError, Cursor, Writer};
use super::records::{
    get_alarm, get_epoch, get_node, get_nodes, get_part, get_peer, put_alarm, put_epoch, put_node,
    put_nodes, put_part, put_peers,
};
use super::request::{
    get_delete, get_put, get_range, get_txn, put_delete, put_put, put_range, put_txn,
};
use crate::auth::may_be_limited;
use crate::command::{Command, Envelope, SessionTag};
use crate::registry::codec::{get_registry, put_registry};

const PUT: u8 = 1;
const DELETE: u8 = 2;
const TXN: u8 = 3;
const COMPACT: u8 = 4;
const LEASE_GRANT: u8 = 5;
const LEASE_REVOKE: u8 = 6;
const LEASE_EXPIRE: u8 = 7;
const ALARM: u8 = 9;
const LIMITED: u8 = 8;
const INITIALIZE: u8 = 16;
const REGISTER_NODE: u8 = 17;
const CREATE_KEYSPACE: u8 = 18;
const CREATE_REGISTRY: u8 = 49;
const CREATE_MACHINE: u8 = 19;
const AUTH: u8 = 20;
const ADD_NODE: u8 = 21;
const INTRODUCE_NODE: u8 = 22;
const PROMOTE_NODE: u8 = 23;
const REMOVE_NODE: u8 = 24;
const UPDATE_NODE: u8 = 25;
const RECORD_PEERS: u8 = 26;
const CREATE_SHARDED: u8 = 27;
const PLAN_SPLIT: u8 = 28;
const PLACE: u8 = 29;
const DRAIN_NODE: u8 = 30;
const TELL_LEVEL: u8 = 31;
const EXECUTE: u8 = 32;
const SPLIT: u8 = 33;
const RAISE_LEVEL: u8 = 34;
const CREATE_SHARDED_IN_MEMORY: u8 = 35;
const REGISTRY: u8 = 48;

/// A command has a number; and was asked for under it before.
const TAGGED: u8 = 1;
const TAGGED_AGAIN: u8 = 2;

/// An encoded envelope as one that was proposed before.
#[must_use]
pub fn proposed_again(envelope: &Bytes) -> Bytes {
    let mut from = Cursor::new(envelope.clone());
    let is_read = from.byte() == Ok(VERSION) && from.number().is_ok() && from.number().is_ok();
    let at = from.position();
    if !is_read || envelope.get(at) != Some(&TAGGED) {
        return envelope.clone();
    }
    let mut again = envelope.to_vec();
    again[at] = TAGGED_AGAIN;
    again.into()
}

impl Envelope {
    /// The envelope as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::with_capacity(48 + payload(&self.command));
        out.byte(VERSION);
        out.number(self.epoch.version);
        out.number(self.epoch.conf_ver);
        out.byte(self.session.map_or(0, |tag| if tag.again { TAGGED_AGAIN } else { TAGGED }));
        if let Some(tag) = &self.session {
            out.number(tag.client);
            out.number(tag.sequence);
            out.number(tag.acknowledged);
        }
        put_command(&mut out, &self.command);
        out.finish()
    }

    /// The envelope in `bytes`; its byte strings are slices of them.
    ///
    /// # Errors
    /// When the bytes are not exactly one envelope of a known version.
    pub fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut from = Cursor::new(bytes);
        if from.byte()? != VERSION {
            return Err(from.error("a command of an unknown version"));
        }
        let epoch = Epoch { version: from.number()?, conf_ver: from.number()? };
        let session = match from.byte()? {
            0 => None,
            tagged @ (TAGGED | TAGGED_AGAIN) => Some(SessionTag {
                client: from.number()?,
                sequence: from.number()?,
                acknowledged: from.number()?,
                again: tagged == TAGGED_AGAIN,
            }),
            _ => return Err(from.error("a mark of a number that is none")),
        };
        let command = get_command(&mut from)?;
        from.end()?;
        Ok(Self { epoch, session, command })
    }
}

/// The version of the epoch in an encoded envelope, without decoding the rest.
#[must_use]
pub fn routed_version(envelope: &Bytes) -> Option<u64> {
    let mut from = Cursor::new(envelope.clone());
    (from.byte().ok()? == VERSION).then_some(())?;
    from.number().ok()
}

fn payload(command: &Command) -> usize {
    match command {
        Command::Put(put) => put.key.len() + put.value.len(),
        Command::Execute { data } => data.len(),
        Command::Limited { command, .. } => 64 + payload(command),
        _ => 64,
    }
}

fn put_command(out: &mut Writer, command: &Command) {
    match command {
        Command::Put(put) => {
            out.byte(PUT);
            put_put(out, put);
        }
        Command::Delete(delete) => {
            out.byte(DELETE);
            put_delete(out, delete);
        }
        Command::Txn(txn) => {
            out.byte(TXN);
            put_txn(out, txn);
        }
        Command::Compact { revision } => {
            out.byte(COMPACT);
            out.revision(*revision);
        }
        Command::Alarm { alarm, raise } => {
            out.byte(ALARM);
            put_alarm(out, *alarm);
            out.flag(*raise);
        }
        Command::LeaseGrant { id, ttl_seconds } => {
            out.byte(LEASE_GRANT);
            out.lease(*id);
            out.signed(*ttl_seconds);
        }
        Command::LeaseRevoke { id } => {
            out.byte(LEASE_REVOKE);
            out.lease(*id);
        }
        Command::LeaseExpire { ids } => {
            out.byte(LEASE_EXPIRE);
            out.number(ids.len() as u64);
            for id in ids {
                out.lease(*id);
            }
        }
        Command::Limited { ranges, command } => {
            out.byte(LIMITED);
            out.number(ranges.len() as u64);
            for range in ranges {
                put_range(out, range);
            }
            put_command(out, command);
        }
        Command::Initialize { cluster, nodes } => {
            out.byte(INITIALIZE);
            out.wide(cluster.0);
            out.number(nodes.len() as u64);
            for node in nodes {
                put_node(out, node);
            }
        }
        Command::RegisterNode(node) => {
            out.byte(REGISTER_NODE);
            put_node(out, node);
        }
        Command::TellLevel { .. }
        | Command::RaiseLevel { .. }
        | Command::AddNode { .. }
        | Command::IntroduceNode { .. }
        | Command::PromoteNode { .. }
        | Command::RemoveNode { .. }
        | Command::UpdateNode { .. }
        | Command::DrainNode { .. }
        | Command::Place { .. }
        | Command::RecordPeers { .. } => put_membership(out, command),
        Command::CreateKeyspace { name } => {
            out.byte(CREATE_KEYSPACE);
            out.bytes(name.as_bytes());
        }
        Command::CreateMachine { name, machine } => {
            out.byte(CREATE_MACHINE);
            out.bytes(name.as_bytes());
            out.bytes(machine.as_bytes());
        }
        Command::CreateRegistry { shards } => {
            out.byte(CREATE_REGISTRY);
            out.number(u64::from(*shards));
        }
        Command::CreateSharded { name, split_at, replicas, in_memory } => {
            out.byte(if *in_memory { CREATE_SHARDED_IN_MEMORY } else { CREATE_SHARDED });
            out.bytes(name.as_bytes());
            out.number(split_at.len() as u64);
            for key in split_at {
                out.bytes(key);
            }
            out.number(u64::from(*replicas));
        }
        Command::PlanSplit { region, version, at } => {
            out.byte(PLAN_SPLIT);
            out.number(region.get());
            out.number(*version);
            out.bytes(at);
        }
        Command::Split { at, child, keys, bytes } => {
            out.byte(SPLIT);
            out.bytes(at);
            out.number(child.get());
            out.number(*keys);
            out.number(*bytes);
        }
        Command::Auth(command) => {
            out.byte(AUTH);
            put_auth(out, command);
        }
        Command::Execute { data } => {
            out.byte(EXECUTE);
            out.bytes(data);
        }
        Command::Registry(command) => {
            out.byte(REGISTRY);
            put_registry(out, command);
        }
    }
}

fn put_membership(out: &mut Writer, command: &Command) {
    match command {
        Command::TellLevel { node, most } => {
            out.byte(TELL_LEVEL);
            out.number(node.get());
            out.number(u64::from(*most));
        }
        Command::RaiseLevel { to } => {
            out.byte(RAISE_LEVEL);
            out.number(u64::from(*to));
        }
        Command::AddNode { peer_address, part } => {
            out.byte(ADD_NODE);
            out.bytes(peer_address.as_bytes());
            put_part(out, *part);
        }
        Command::IntroduceNode { peer_address, identity, name, client_address } => {
            out.byte(INTRODUCE_NODE);
            out.bytes(peer_address.as_bytes());
            out.wide(*identity);
            out.bytes(name.as_bytes());
            out.bytes(client_address.as_bytes());
        }
        Command::PromoteNode { node } => {
            out.byte(PROMOTE_NODE);
            out.number(node.get());
        }
        Command::RemoveNode { node } => {
            out.byte(REMOVE_NODE);
            out.number(node.get());
        }
        Command::UpdateNode { node, peer_address } => {
            out.byte(UPDATE_NODE);
            out.number(node.get());
            out.bytes(peer_address.as_bytes());
        }
        Command::RecordPeers { region, epoch, peers, learners } => {
            out.byte(RECORD_PEERS);
            out.number(region.get());
            put_epoch(out, *epoch);
            put_peers(out, peers);
            put_peers(out, learners);
        }
        Command::Place { region, from, to } => {
            out.byte(PLACE);
            out.number(region.get());
            put_nodes(out, from.iter());
            put_nodes(out, to.iter());
        }
        Command::DrainNode { node, drain } => {
            out.byte(DRAIN_NODE);
            out.number(node.get());
            out.flag(*drain);
        }
        _ => {}
    }
}

fn get_command(from: &mut Cursor) -> Result<Command, CodecError> {
    Ok(match from.byte()? {
        PUT => Command::Put(get_put(from)?),
        DELETE => Command::Delete(get_delete(from)?),
        TXN => Command::Txn(get_txn(from, 1)?),
        COMPACT => Command::Compact { revision: from.revision()? },
        ALARM => Command::Alarm { alarm: get_alarm(from)?, raise: from.flag()? },
        LEASE_GRANT => Command::LeaseGrant { id: from.lease()?, ttl_seconds: from.signed()? },
        LEASE_REVOKE => Command::LeaseRevoke { id: from.lease()? },
        LEASE_EXPIRE => Command::LeaseExpire { ids: from.list(Cursor::lease)? },
        LIMITED => {
            let ranges = from.list(get_range)?;
            // Nothing else is limited, itself included: so this is as deep as it gets.
            let command = match from.byte()? {
                PUT => Command::Put(get_put(from)?),
                TXN => Command::Txn(get_txn(from, 1)?),
                LEASE_REVOKE => Command::LeaseRevoke { id: from.lease()? },
                _ => return Err(from.error("a limited command of another kind")),
            };
            if !may_be_limited(&command) {
                return Err(from.error("a limited command that touches no lease"));
            }
            Command::Limited { ranges, command: Box::new(command) }
        }
        INITIALIZE => {
            Command::Initialize { cluster: ClusterId(from.wide()?), nodes: from.list(get_node)? }
        }
        REGISTER_NODE => Command::RegisterNode(Box::new(get_node(from)?)),
        TELL_LEVEL => Command::TellLevel { node: NodeId(from.number()?), most: from.small()? },
        RAISE_LEVEL => Command::RaiseLevel { to: from.small()? },
        ADD_NODE => Command::AddNode { peer_address: from.text()?, part: get_part(from)? },
        INTRODUCE_NODE => Command::IntroduceNode {
            peer_address: from.text()?,
            identity: from.wide()?,
            name: from.text()?,
            client_address: from.text()?,
        },
        PROMOTE_NODE => Command::PromoteNode { node: NodeId(from.number()?) },
        REMOVE_NODE => Command::RemoveNode { node: NodeId(from.number()?) },
        UPDATE_NODE => {
            Command::UpdateNode { node: NodeId(from.number()?), peer_address: from.text()? }
        }
        RECORD_PEERS => Command::RecordPeers {
            region: RegionId(from.number()?),
            epoch: get_epoch(from)?,
            peers: from.list(get_peer)?,
            learners: from.list(get_peer)?,
        },
        CREATE_KEYSPACE => Command::CreateKeyspace { name: from.text()? },
        CREATE_MACHINE => Command::CreateMachine { name: from.text()?, machine: from.text()? },
        CREATE_REGISTRY => Command::CreateRegistry { shards: from.small()? },
        tag @ (CREATE_SHARDED | CREATE_SHARDED_IN_MEMORY) => Command::CreateSharded {
            name: from.text()?,
            split_at: from.list(Cursor::bytes)?,
            replicas: from.small()?,
            in_memory: tag == CREATE_SHARDED_IN_MEMORY,
        },
        PLACE => Command::Place {
            region: RegionId(from.number()?),
            from: get_nodes(from)?,
            to: get_nodes(from)?,
        },
        DRAIN_NODE => Command::DrainNode { node: NodeId(from.number()?), drain: from.flag()? },
        PLAN_SPLIT => Command::PlanSplit {
            region: RegionId(from.number()?),
            version: from.number()?,
            at: from.bytes()?,
        },
        SPLIT => Command::Split {
            at: from.bytes()?,
            child: RegionId(from.number()?),
            keys: from.number()?,
            bytes: from.number()?,
        },
        AUTH => Command::Auth(get_auth(from)?),
        EXECUTE => Command::Execute { data: from.bytes()? },
        REGISTRY => Command::Registry(get_registry(from)?),
        _ => return Err(from.error("an unknown command")),
    })
}
