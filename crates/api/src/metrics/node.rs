//! The node as a whole, and its way to the others.

use std::sync::OnceLock;

use ::node::{
    Handle, Lane, LaneTraffic, Memory, NodeState, Part, PeerTraffic, Process, READ_MODES,
    file_descriptors, most_file_descriptors,
};
use types::{Code, NodeId};

use super::text::{
    Kind::{Counter, Gauge},
    Text, scaled,
};

pub(super) fn write(text: &mut Text, handle: &Handle) {
    let build = "hiraeth_build_info";
    text.family(build, Gauge, "Always 1; the labels say what runs.");
    let node = handle.node().to_string();
    text.value(build, &[("version", env!("CARGO_PKG_VERSION")), ("node", &node)], 1);
    let help = "Up to which level the cluster uses what goes through logs.";
    text.one("hiraeth_cluster_level", Gauge, help, u64::from(handle.directory().level()));
    process(text);
    clock(text, handle);
    members(text, handle);
    room(text, handle);
    strain(text, handle);
    counts(text, handle);
    waiting(text, handle);
    requests(text, handle);
    let meters = handle.meters();
    let help = "How long syncs of the log took.";
    text.histogram("hiraeth_log_sync_seconds", help, &meters.syncs.tally(), 1e6);
    let help = "How long the engine took for a batch of applied entries.";
    text.histogram("hiraeth_engine_commit_seconds", help, &meters.commits.tally(), 1e6);
    let help = "How long commands of this node's clients took, of one in 64.";
    text.histogram("hiraeth_write_seconds", help, &meters.writes.tally(), 1e6);
    let help = "How long linearizable reads waited for their turn, of about one round in 64.";
    text.histogram("hiraeth_read_wait_seconds", help, &meters.read_waits.tally(), 1e6);
    let help = "Writes of regions that went out with one sync.";
    text.histogram("hiraeth_log_batch_writes", help, &meters.batches.tally(), 1.0);
    peers(text, handle);
    audit(text, handle);
}

fn audit(text: &mut Text, handle: &Handle) {
    // Nothing, where there is none: an alarm that asks finds the series.
    let tally = handle.audit_log().tally();
    let counts = [
        ("hiraeth_audit_records_total", "Records written to the audit log.", tally.written),
        ("hiraeth_audit_lost_total", "Records of the audit log that are lost.", tally.lost),
        (
            "hiraeth_audit_suppressed_total",
            "Refusals, logins and logouts of which only the number is in the audit log.",
            tally.suppressed,
        ),
    ];
    counts.into_iter().for_each(|(name, help, count)| text.one(name, Counter, help, count));
}

fn process(text: &mut Text) {
    let process = Process::now();
    let gauges = [
        ("process_resident_memory_bytes", "Bytes in RAM.", process.resident_bytes),
        ("process_threads", "Threads.", process.threads),
        ("process_open_fds", "Open file descriptors.", file_descriptors()),
    ];
    let help = "Processor time used.";
    text.one("process_cpu_seconds_total", Counter, help, process.cpu.as_secs_f64());
    gauges.into_iter().for_each(|(name, help, value)| text.one(name, Gauge, help, value));
    if let Some(most) = most_file_descriptors() {
        text.one("process_max_fds", Gauge, "File descriptors that may be open.", most);
    }
}

fn clock(text: &mut Text, handle: &Handle) {
    // By the clock of the first look, once and for all: whoever sees it move takes it for a start.
    static STARTED: OnceLock<u64> = OnceLock::new();
    let now = handle.wall_millis();
    let started =
        STARTED.get_or_init(|| now.saturating_sub(crate::stats::health(handle).uptime_ms));
    let help = "When the process was started, in seconds since 1970.";
    text.one("process_start_time_seconds", Gauge, help, scaled(*started, 1e3));
    let help = "This machine's wall clock, in seconds since 1970.";
    text.one("hiraeth_clock_seconds", Gauge, help, scaled(now, 1e3));
}

fn members(text: &mut Text, handle: &Handle) {
    let directory = handle.directory();
    let name = "hiraeth_members";
    text.family(name, Gauge, "Nodes of the cluster, by the part they have.");
    for (part, label) in [(Part::Voter, "voter"), (Part::Learner, "learner")] {
        let count = directory.nodes.values().filter(|node| node.part == part).count();
        text.value(name, &[("part", label)], count);
    }
}

fn room(text: &mut Text, handle: &Handle) {
    let room = handle.room();
    let help = "Bytes free on the disk of the data directory.";
    text.one("hiraeth_disk_free_bytes", Gauge, help, room.free);
    text.one("hiraeth_disk_total_bytes", Gauge, "Bytes of that disk.", room.total);
    let help = "Free bytes below which no writes are taken.";
    text.one("hiraeth_disk_reserve_bytes", Gauge, help, room.reserve);
    let help = "Whether that is so.";
    text.one("hiraeth_read_only", Gauge, help, u8::from(room.read_only));
    let memory = handle.memory_room();
    let help = "Bytes of memory that keyspaces in memory have.";
    text.one("hiraeth_memory_keyspaces_bytes", Gauge, help, memory.used);
    let help = "Bytes above which those take nothing that needs room.";
    text.one("hiraeth_memory_keyspaces_limit_bytes", Gauge, help, memory.limit);
}

/// What makes this node a bad neighbour.
fn strain(text: &mut Text, handle: &Handle) {
    let strain = handle.strain();
    let name = "hiraeth_strained";
    text.family(name, Gauge, "Whether this node is strained, and by what.");
    for (by, is) in [
        ("slow-disk", strain.slow_disk),
        ("processor", strain.starved),
        ("slow-links", strain.far),
        ("file-descriptors", strain.crowded),
    ] {
        text.value(name, &[("by", by)], u8::from(is));
    }
    let help =
        "The longest sync of the log of the last ten seconds, the one included that is under way.";
    let longest = handle.recent_syncs().longest.as_secs_f64();
    text.one("hiraeth_log_sync_longest_seconds", Gauge, help, longest);
    let help = "How late the node's ticks came: it lacks processor time, or has too much to do.";
    text.histogram("hiraeth_tick_late_seconds", help, &handle.meters().lateness.tally(), 1e6);
    let memory = Memory::now();
    let help = "Memory that counts against the bound that is nearest: of a cgroup, a process, the machine.";
    text.one("hiraeth_memory_used_bytes", Gauge, help, memory.used);
    text.one("hiraeth_memory_limit_bytes", Gauge, "That bound.", memory.most);
}

fn counts(text: &mut Text, handle: &Handle) {
    let meters = handle.meters();
    let counters = [
        ("hiraeth_log_bytes_total", "Bytes of entries given to the log.", meters.log_bytes.get()),
        ("hiraeth_applied_entries_total", "Entries applied.", meters.applied.get()),
        ("hiraeth_apply_rounds_total", "Engine batches they went into.", meters.apply_rounds.get()),
        (
            "hiraeth_leader_changes_total",
            "Times a region's leader changed, as this node saw it.",
            meters.leader_changes.get(),
        ),
        (
            "hiraeth_elections_total",
            "Times a region here stood for election.",
            meters.elections.get(),
        ),
        ("hiraeth_snapshots_sent_total", "Snapshots that arrived.", meters.snapshots_sent.get()),
        (
            "hiraeth_snapshots_failed_total",
            "Snapshots that did not arrive.",
            meters.snapshots_failed.get(),
        ),
        (
            "hiraeth_snapshots_installed_total",
            "Snapshots received and put in place.",
            meters.snapshots_installed.get(),
        ),
        ("hiraeth_region_splits_total", "Regions that were split.", meters.splits.get()),
        (
            "hiraeth_region_moves_total",
            "Regions that were given other nodes to be on.",
            meters.moves.get(),
        ),
        ("hiraeth_regions_quarantined_total", "Regions set aside.", meters.quarantined.get()),
        (
            "hiraeth_strain_handovers_total",
            "Regions given to others to lead while this node was strained.",
            meters.handovers.get(),
        ),
        (
            "hiraeth_flight_dropped_total",
            "Records the flight recorder lost.",
            meters.flight_dropped.get(),
        ),
    ];
    counters.into_iter().for_each(|(name, help, value)| text.one(name, Counter, help, value));
}

fn waiting(text: &mut Text, handle: &Handle) {
    // As of the last second: the queues' locks are the hot paths' own.
    let sample = handle.sample();
    let name = "hiraeth_queue_tasks";
    text.family(name, Gauge, "What waits for the node's threads, as of the last second.");
    for (queue, tasks) in [
        ("poller", sample.to_pollers),
        ("log_writer", sample.to_writer),
        ("applier", sample.to_appliers),
        ("client_requests", sample.requests),
    ] {
        text.value(name, &[("queue", queue)], tasks);
    }
    let load = handle.watch_load();
    let gauges = [
        ("hiraeth_watch_streams", "Streams of watches that are open.", load.streams),
        ("hiraeth_watches", "Watches on them.", load.watches),
        ("hiraeth_watches_behind", "Watches that read what they missed from history.", load.behind),
        ("hiraeth_leases", "Leases whose time this node counts.", handle.leases_counted()),
    ];
    gauges.into_iter().for_each(|(name, help, value)| text.one(name, Gauge, help, value));
    let help = "Regions that sleep.";
    text.one("hiraeth_regions_hibernating", Gauge, help, sample.hibernating);
    text.one("hiraeth_regions_leading", Gauge, "Regions this node leads.", sample.leading);
}

fn requests(text: &mut Text, handle: &Handle) {
    let meters = handle.meters();
    let name = "hiraeth_proposals_total";
    text.family(name, Counter, "Commands of this node's clients, by how they ended.");
    text.value(name, &[("outcome", "applied")], meters.proposed.get());
    for (code, count) in Code::ALL.iter().zip(&meters.refused) {
        // Most never happen.
        if count.get() > 0 {
            text.value(name, &[("outcome", &format!("{code:?}"))], count.get());
        }
    }
    let name = "hiraeth_reads_total";
    text.family(name, Counter, "Reads, by how fresh they are.");
    for (mode, count) in READ_MODES.iter().zip(&meters.reads) {
        text.value(name, &[("mode", mode)], count.get());
    }
}

fn peers(text: &mut Text, handle: &Handle) {
    let own = handle.node();
    let nodes: Vec<_> = handle.nodes().into_iter().filter(|node| node.node != own).collect();
    let alive = "hiraeth_peer_alive";
    text.family(alive, Gauge, "Whether another node is heard.");
    for node in &nodes {
        let is_alive = node.state != NodeState::Lost;
        text.value(alive, &[("peer", &node.node.to_string())], u8::from(is_alive));
    }
    let trip = "hiraeth_peer_round_trip_seconds";
    text.family(trip, Gauge, "A frame's way to another node and back, smoothed.");
    for node in &nodes {
        if let Some(time) = node.round_trip {
            text.value(trip, &[("peer", &node.node.to_string())], time.as_secs_f64());
        }
    }
    let slow = "hiraeth_peer_slow";
    text.family(
        slow,
        Gauge,
        "Whether the link to another node is slow, or stalls again and again.",
    );
    for node in &nodes {
        text.value(slow, &[("peer", &node.node.to_string())], u8::from(node.link.is_slow));
    }
    let late = "hiraeth_peer_late_seconds";
    text.family(late, Gauge, "By how much the latest beat of the last ten seconds was late.");
    for node in &nodes {
        text.value(late, &[("peer", &node.node.to_string())], node.link.latest.as_secs_f64());
    }
    traffic(text, &handle.traffic());
}

/// A family of counts by peer, way and lane.
type PerLane = (&'static str, &'static str, fn(&LaneTraffic) -> u64);

fn traffic(text: &mut Text, peers: &[(NodeId, PeerTraffic)]) {
    let families: [PerLane; 4] = [
        ("hiraeth_peer_frames_total", "Frames to and from other nodes.", |it| it.frames),
        ("hiraeth_peer_messages_total", "Messages in them.", |it| it.messages),
        ("hiraeth_peer_bytes_total", "Bytes of them.", |it| it.bytes),
        (
            "hiraeth_peer_dropped_total",
            "Frames the link did not take; messages that came and had no room.",
            |it| it.dropped,
        ),
    ];
    for (name, help, count) in families {
        text.family(name, Counter, help);
        for (node, peer) in peers {
            let node = node.to_string();
            for (way, lane, traffic) in [
                ("sent", Lane::Urgent, &peer.sent_urgent),
                ("sent", Lane::Bulk, &peer.sent_bulk),
                ("received", Lane::Urgent, &peer.received_urgent),
                ("received", Lane::Bulk, &peer.received_bulk),
            ] {
                let lane = if lane == Lane::Urgent { "urgent" } else { "bulk" };
                let labels = [("peer", node.as_str()), ("way", way), ("lane", lane)];
                text.value(name, &labels, scaled(count(traffic), 1.0));
            }
        }
    }
    let name = "hiraeth_peer_heartbeats_total";
    text.family(name, Counter, "Raft's heartbeats and their answers, of all regions.");
    for (node, peer) in peers {
        let node = node.to_string();
        text.value(name, &[("peer", &node), ("way", "sent")], peer.heartbeats_sent);
        text.value(name, &[("peer", &node), ("way", "received")], peer.heartbeats_received);
    }
}
