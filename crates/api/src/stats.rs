//! Nodes and regions as `hiraeth.v1.Node` tells of them.

use std::time::Duration;

use node::{
    DiskState, Flow, GroupPeer, GroupStats, Handle, HotKey, HotRegion, Memory, NodeLiveness,
    NodeState, RegionStats, Role, file_descriptors, most_file_descriptors,
};
use proto::hiraeth::v1 as pb;
use state::directory::Directory;
use types::{NodeId, PeerId};

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A node as another one hears it.
pub(crate) fn seen(node: &NodeLiveness) -> pb::NodeSeen {
    let state = match (node.state, node.last_heard) {
        (NodeState::Lost, None) => pb::Liveness::Never,
        (NodeState::Alive, _) => pb::Liveness::Alive,
        (NodeState::Suspected, _) => pb::Liveness::Suspected,
        (NodeState::Lost, Some(_)) => pb::Liveness::Lost,
    };
    let summary = node.summary;
    pb::NodeSeen {
        node: node.node.get(),
        state: state.into(),
        silent_ms: node.last_heard.map_or(0, millis),
        for_ms: millis(node.for_time),
        round_trip_us: node.round_trip.map_or(0, |it| it.as_micros().try_into().unwrap_or(0)),
        hears_us: node.hears_us,
        regions: summary.regions,
        led: summary.led,
        lag: summary.lag,
        disk_low: summary.disk != DiskState::Free,
        read_only: summary.read_only,
        stopping: summary.stopping,
        slow_disk: summary.strain.slow_disk,
        starved: summary.strain.starved,
        far: summary.strain.far,
        crowded: summary.strain.crowded,
        slow_link: node.link.is_slow,
        late_ms: millis(node.link.latest),
    }
}

/// What a node knows of itself.
pub(crate) fn health(handle: &Handle) -> pb::NodeHealth {
    let (sample, room) = (handle.sample(), handle.room());
    let (syncs, late, memory) = (handle.recent_syncs(), handle.recent_lateness(), Memory::now());
    let own = handle.nodes().into_iter().find(|node| node.node == handle.node());
    pb::NodeHealth {
        uptime_ms: own.map_or(0, |own| millis(own.for_time)),
        cpu_percent: sample.cpu,
        rss_bytes: sample.rss,
        disk_free_bytes: room.free,
        disk_total_bytes: room.total,
        disk_reserve_bytes: room.reserve,
        read_only: room.read_only,
        data_dir: handle.data_dir().display().to_string(),
        hibernating: sample.hibernating,
        syncs: syncs.count,
        sync_mean_us: micros(syncs.mean()),
        sync_longest_us: micros(syncs.longest),
        tick_late_us: micros(late.longest),
        open_files: file_descriptors(),
        most_files: most_file_descriptors().unwrap_or(0),
        memory_used_bytes: memory.used,
        memory_limit_bytes: memory.most,
        memory_limit_by: memory.by.to_owned(),
    }
}

/// What is asked of a region, with so many of its keys; 0 for all.
pub(crate) fn hot(hot: HotRegion, directory: &Directory, keys: u32) -> pb::HotRegion {
    let keyspace = directory.keyspaces.get(&hot.keyspace);
    let most = usize::try_from(keys).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    let key =
        |(known, bounded): (HotKey, bool)| pb::HotKey { key: known.key, rate: known.rate, bounded };
    pb::HotRegion {
        region: hot.region.get(),
        keyspace: hot.keyspace.get(),
        keyspace_name: keyspace.map(|record| record.name.clone()).unwrap_or_default(),
        rate: hot.rate,
        keys: hot.keys.into_iter().take(most).map(key).collect(),
    }
}

/// A region, closely.
pub(crate) fn region(stats: &RegionStats, directory: &Directory) -> pb::RegionStats {
    let keyspace = directory.keyspaces.get(&stats.keyspace);
    let told = pb::RegionStats {
        region: stats.region.get(),
        keyspace: stats.keyspace.get(),
        keyspace_name: keyspace.map(|record| record.name.clone()).unwrap_or_default(),
        state: stats.state.kind.name().to_owned(),
        state_detail: stats.state.detail.clone(),
        ..pb::RegionStats::default()
    };
    match &stats.group {
        None => told,
        Some(group) => filled(told, group, stats.tick),
    }
}

fn role(group: &GroupStats) -> &'static str {
    let is_learner = |it: &GroupPeer| it.peer == group.peer && it.learner;
    match group.role {
        Role::Leader => "leader",
        Role::Candidate => "candidate",
        Role::PreCandidate => "pre-candidate",
        Role::Follower if group.peers.iter().any(is_learner) => "learner",
        Role::Follower => "follower",
    }
}

fn filled(told: pb::RegionStats, group: &GroupStats, tick: Duration) -> pb::RegionStats {
    let time = |ticks: u64| millis(tick).saturating_mul(ticks);
    pb::RegionStats {
        role: role(group).to_owned(),
        term: group.term.get(),
        peer: group.peer.get(),
        vote: group.vote.map_or(0, PeerId::get),
        leader: group.leader_node.map_or(0, NodeId::get),
        first: group.first.get(),
        last: group.last.get(),
        persisted: group.persisted.get(),
        commit: group.commit.get(),
        applied: group.applied.get(),
        unapplied_entries: group.unapplied_entries,
        unapplied_bytes: group.unapplied_bytes as u64,
        last_contact_ms: group.ticks_since_leader.map(time),
        idle_ms: time(group.idle_ticks),
        hibernating: group.hibernating,
        pending_proposals: group.pending_proposals as u64,
        pending_reads: group.waiting_reads as u64,
        transferee: group.transferee.map_or(0, PeerId::get),
        memory_bytes: group.memory_bytes as u64,
        peers: group.peers.iter().map(peer).collect(),
        ..told
    }
}

fn peer(peer: &GroupPeer) -> pb::PeerStats {
    let (flow, snapshot) = match peer.flow {
        Flow::Probe => ("probe", 0),
        Flow::Replicate => ("replicate", 0),
        Flow::Snapshot { index } => ("snapshot", index.get()),
    };
    pb::PeerStats {
        peer: peer.peer.get(),
        node: peer.node.get(),
        matched: peer.matched.get(),
        next: peer.next.get(),
        commit: peer.commit.get(),
        flow: flow.to_owned(),
        snapshot,
        active: peer.recent_active,
        learner: peer.learner,
    }
}
