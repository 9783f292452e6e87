//! Records of the directory and of a replica's position.

use std::collections::BTreeSet;

use types::{ConfState, Epoch, KeyspaceId, NodeId, PeerId, RegionId};

use super::primitives::{CodecError, Cursor, Writer};
use super::request::{get_range, put_range};
use crate::alarms::{Alarm, AlarmKind};
use crate::directory::{
    KeyspaceRecord, NodeRecord, Part, Phase, RegionRecord, Sharding, SplitPlan,
};

pub(crate) fn put_node(out: &mut Writer, node: &NodeRecord) {
    out.number(node.id.get());
    out.wide(node.identity);
    out.bytes(node.name.as_bytes());
    out.bytes(node.peer_address.as_bytes());
    out.bytes(node.client_address.as_bytes());
    put_part(out, node.part);
    out.byte(match node.phase {
        Phase::Joining => 0,
        Phase::Member => 1,
        Phase::Leaving => 2,
    });
    out.bytes(node.zone.as_bytes());
    out.flag(node.is_draining);
}

pub(crate) fn put_part(out: &mut Writer, part: Part) {
    out.flag(part == Part::Voter);
}

pub(crate) fn get_part(from: &mut Cursor) -> Result<Part, CodecError> {
    Ok(if from.flag()? { Part::Voter } else { Part::Learner })
}

pub(crate) fn put_peers(out: &mut Writer, peers: &[PeerId]) {
    out.number(peers.len() as u64);
    for peer in peers {
        out.number(peer.get());
    }
}

pub(crate) fn get_peer(from: &mut Cursor) -> Result<PeerId, CodecError> {
    Ok(PeerId(from.number()?))
}

pub(crate) fn get_node(from: &mut Cursor) -> Result<NodeRecord, CodecError> {
    Ok(NodeRecord {
        id: NodeId(from.number()?),
        identity: from.wide()?,
        name: from.text()?,
        peer_address: from.text()?,
        client_address: from.text()?,
        part: get_part(from)?,
        phase: match from.byte()? {
            0 => Phase::Joining,
            1 => Phase::Member,
            2 => Phase::Leaving,
            _ => return Err(from.error("a node in an unknown phase")),
        },
        zone: from.text()?,
        is_draining: from.flag()?,
    })
}

pub(crate) fn put_keyspace(out: &mut Writer, keyspace: &KeyspaceRecord) {
    out.number(u64::from(keyspace.id.get()));
    out.bytes(keyspace.name.as_bytes());
    out.number(keyspace.region.get());
    // Last, so that records without one stay as they were.
    if let Some(machine) = &keyspace.machine {
        out.bytes(machine.as_bytes());
        out.number(u64::from(keyspace.replicas));
    }
}

/// `custom`: whether it has a machine of others.
pub(crate) fn get_keyspace(from: &mut Cursor, custom: bool) -> Result<KeyspaceRecord, CodecError> {
    Ok(KeyspaceRecord {
        id: KeyspaceId(from.small()?),
        name: from.text()?,
        region: RegionId(from.number()?),
        machine: if custom { Some(from.text()?) } else { None },
        replicas: if custom { from.small()? } else { 0 },
    })
}

pub(crate) fn put_plan(out: &mut Writer, plan: &SplitPlan) {
    out.bytes(&plan.at);
    out.number(plan.child.get());
}

pub(crate) fn get_plan(from: &mut Cursor) -> Result<SplitPlan, CodecError> {
    Ok(SplitPlan { at: from.bytes()?, child: RegionId(from.number()?) })
}

/// Behind the region's record, where it is one of a sharded keyspace.
fn put_sharding(out: &mut Writer, sharding: &Sharding) {
    put_range(out, &sharding.birth);
    out.flag(sharding.plan.is_some());
    if let Some(plan) = &sharding.plan {
        put_plan(out, plan);
    }
    put_nodes(out, sharding.placed.iter());
}

pub(crate) fn put_nodes<'a>(out: &mut Writer, nodes: impl ExactSizeIterator<Item = &'a NodeId>) {
    out.number(nodes.len() as u64);
    for node in nodes {
        out.number(node.get());
    }
}

pub(crate) fn get_nodes(from: &mut Cursor) -> Result<BTreeSet<NodeId>, CodecError> {
    Ok(from.list(|from| Ok(NodeId(from.number()?)))?.into_iter().collect())
}

fn get_sharding(from: &mut Cursor) -> Result<Sharding, CodecError> {
    Ok(Sharding {
        birth: get_range(from)?,
        plan: if from.flag()? { Some(get_plan(from)?) } else { None },
        placed: get_nodes(from)?,
    })
}

pub(crate) fn put_region(out: &mut Writer, region: &RegionRecord) {
    out.number(region.id.get());
    out.number(u64::from(region.keyspace.get()));
    put_range(out, &region.range);
    put_epoch(out, region.epoch);
    out.number(region.peers.len() as u64);
    for (peer, node) in &region.peers {
        out.number(peer.get());
        out.number(node.get());
    }
    put_peers(out, &region.learners);
    put_peers(out, &region.first);
    if let Some(sharding) = &region.sharding {
        put_sharding(out, sharding);
    }
}

/// `sharded`: whether it is one of a sharded keyspace.
pub(crate) fn get_region(from: &mut Cursor, sharded: bool) -> Result<RegionRecord, CodecError> {
    Ok(RegionRecord {
        id: RegionId(from.number()?),
        keyspace: KeyspaceId(from.small()?),
        range: get_range(from)?,
        epoch: get_epoch(from)?,
        peers: from.list(|from| Ok((PeerId(from.number()?), NodeId(from.number()?))))?,
        learners: from.list(get_peer)?,
        first: from.list(get_peer)?,
        sharding: if sharded { Some(Box::new(get_sharding(from)?)) } else { None },
    })
}

pub(crate) fn put_epoch(out: &mut Writer, epoch: Epoch) {
    out.number(epoch.version);
    out.number(epoch.conf_ver);
}

pub(crate) fn get_epoch(from: &mut Cursor) -> Result<Epoch, CodecError> {
    Ok(Epoch { version: from.number()?, conf_ver: from.number()? })
}

pub(crate) fn put_configuration(out: &mut Writer, configuration: &ConfState) {
    let lists = [
        &configuration.voters,
        &configuration.learners,
        &configuration.voters_outgoing,
        &configuration.learners_next,
    ];
    for peers in lists {
        put_peers(out, peers);
    }
    out.flag(configuration.auto_leave);
}

pub(crate) fn get_configuration(from: &mut Cursor) -> Result<ConfState, CodecError> {
    Ok(ConfState {
        voters: from.list(get_peer)?,
        learners: from.list(get_peer)?,
        voters_outgoing: from.list(get_peer)?,
        learners_next: from.list(get_peer)?,
        auto_leave: from.flag()?,
    })
}

pub(crate) fn put_alarm(out: &mut Writer, alarm: Alarm) {
    out.byte(alarm.kind as u8);
    out.number(alarm.node.get());
}

pub(crate) fn get_alarm(from: &mut Cursor) -> Result<Alarm, CodecError> {
    let kind = AlarmKind::from_u8(from.byte()?).ok_or_else(|| from.error("an unknown alarm"))?;
    Ok(Alarm { kind, node: NodeId(from.number()?) })
}
