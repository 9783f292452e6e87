//! After the storm: the cluster must serve over every node within bounded time, come to rest, and
//! then be the same everywhere (liveness, as openraft's turmoil tests and TigerBeetle's VOPR ask).

use state::directory::RegionRecord;
use state::registry::query::NamedCheck;
use state::registry::{DEFAULT_NAMESPACE, Registry, Status};
use types::{LeaseId, RegionId};

use crate::atlas;
use crate::client::{Ask, Client, Job};
use crate::event::Event;
use crate::oracle::{Action, compare_nodes};
use crate::sky::Sky;
use crate::world::World;

/// Microseconds from the end of all faults to the last questions: elections and catching up.
pub(crate) const PROBE_AFTER: u64 = 4_000_000;
/// Microseconds from then until everything must be answered and quiet. A lease that nobody renews
/// any more lives up to 2 seconds, its leader's grace of 2, and both on a slow clock.
const QUIET_WITHIN: u64 = 8_000_000;
const LOOK_AGAIN: u64 = 250_000;

/// Microseconds from the end of all faults until clients are stopped and a node ends, where one does.
pub(crate) const KILL_AFTER: u64 = 1_600_000;

/// Clients stop, groups fall asleep, and then the node that leads most of them ends. Not while the place
/// of one that was lost is empty.
pub(crate) fn last_kill(sky: &mut Sky, world: &mut World) {
    atlas::look_whether_whole(sky, &world.nodes);
    if sky.atlas.lying.is_some() {
        return;
    }
    let was_quiet = world.clients.iter().all(|client| client.stopped);
    for client in &mut world.clients {
        client.stopped = true;
    }
    if !was_quiet {
        sky.after(900_000, Event::LastKill);
        return;
    }
    let leads = |node: &crate::node::Node| {
        let shards = node.running.as_ref().map(|running| running.shards.values());
        shards.map_or(0, |all| all.filter(|shard| shard.leadership.here).count())
    };
    if let Some(node) = world.nodes.iter_mut().max_by_key(|node| leads(node)) {
        node.crash(sky, crate::node::Crash::Kill);
    }
}

/// The others lead by now, and who ended comes back.
fn come_back(sky: &mut Sky, world: &World) {
    let Some(down) = world.nodes.iter().find(|node| node.running.is_none()) else { return };
    for region in all_regions(world) {
        let leads = |node: &crate::node::Node| {
            let running = node.running.as_ref();
            running.and_then(|it| it.shards.get(&region)).is_some_and(|it| it.leadership.here)
        };
        if !world.nodes.iter().any(leads) {
            sky.fail("liveness", format!("nobody leads region {region} without {}", down.id));
        }
    }
    sky.after(1_000, Event::Restart { node: down.at(), life: down.life });
}

/// Clients stop; each region is asked one last time over each node.
pub(crate) fn probe(sky: &mut Sky, world: &mut World) {
    if sky.settings.last_kill {
        come_back(sky, world);
    }
    judge_living(sky, world);
    for client in &mut world.clients {
        client.stopped = true;
    }
    for region in regions(world) {
        if region == RegionId::META {
            continue;
        }
        for node in 0..world.nodes.len() {
            let at = world.add_client(sky, region, Job::Probe { node });
            let key = bytes::Bytes::from(format!("probe-{node}"));
            let action = Action::Put(sky.ticket());
            world.clients[at].put(sky, Ask::Register { key, action });
            let at = world.add_client(sky, region, Job::Probe { node });
            let key = sky.oracles.histories.key(region, 0);
            world.clients[at].put(sky, Ask::Register { key, action: Action::Get });
        }
    }
    sky.after(LOOK_AGAIN, Event::Settled);
}

/// The registries, as their leaders have them.
fn registries(world: &World) -> impl Iterator<Item = &Registry> {
    let running = world.nodes.iter().filter_map(|node| node.running.as_ref());
    let shards = running.flat_map(|running| running.shards.values());
    shards.filter(|shard| shard.leadership.here).filter_map(|shard| shard.machine.registry())
}

/// Everybody who lives is there by now.
fn judge_living(sky: &mut Sky, world: &World) {
    for registry in registries(world) {
        let verdict = sky.oracles.registry.instances.living(registry, sky.now);
        sky.judge("no live instance is lost", verdict);
    }
}

/// And who is dead is gone in time.
fn judge_dead(sky: &mut Sky, world: &World) {
    let Some(settings) = sky.settings.registry else { return };
    let since = sky.led_since.max(sky.settings.storm_micros);
    for registry in registries(world) {
        let times = (since, sky.now);
        let verdict = sky.oracles.registry.none_kept_dead(registry, &settings, times);
        sky.judge("nobody dead is kept", verdict);
    }
}

/// What of a registry is to end and did not yet.
fn lasting(registry: &Registry) -> Option<String> {
    let sessions = registry.sessions(None).value.len();
    let removable = |it: &NamedCheck| it.check.definition.deregister_after_ms > 0;
    let checks = registry.checks(DEFAULT_NAMESPACE, None).value;
    let left = checks.iter().filter(|it| removable(it)).count();
    let silent = checks.iter().filter(|it| it.check.status != Status::Critical).count();
    (sessions + left + silent > 0)
        .then(|| format!("{sessions} sessions, {left} instances and {silent} checks do not end"))
}

fn regions(world: &World) -> Vec<RegionId> {
    let mut regions: Vec<RegionId> = world.clients.iter().map(|client| client.region).collect();
    regions.sort_unstable();
    regions.dedup();
    regions
}

/// These, and those that were split off.
pub(crate) fn all_regions(world: &World) -> Vec<RegionId> {
    let mut all = regions(world);
    let running = world.nodes.iter().filter_map(|node| node.running.as_ref());
    let shards = running.flat_map(|running| running.shards.iter());
    all.extend(shards.filter(|(_, it)| it.machine.is_sharded()).map(|(region, _)| *region));
    all.sort_unstable();
    all.dedup();
    all
}

/// A split that is planned, or not told of.
fn untold(world: &World) -> Option<String> {
    let running = world.nodes.iter().filter_map(|node| node.running.as_ref());
    for running in running {
        for (region, shard) in &running.shards {
            let record = running.directory.regions.get(region);
            let epoch = shard.machine.applied().epoch;
            if !shard.machine.is_sharded() {
                continue;
            }
            let is_planned =
                |it: &RegionRecord| it.sharding.as_ref().is_none_or(|it| it.plan.is_some());
            if record.is_none_or(|it| it.epoch != epoch || is_planned(it)) {
                return Some(format!("region {region}: {epoch:?} is known as {record:?}"));
            }
        }
    }
    None
}

/// Looks whether all is quiet, and judges then; answers whether the run is over.
pub(crate) fn settled(sky: &mut Sky, world: &World) -> bool {
    judge_dead(sky, world);
    let missing = unrest(sky, world);
    if missing.is_none() {
        judge(sky, world);
        return true;
    }
    let limit = sky.settings.storm_micros + PROBE_AFTER + QUIET_WITHIN;
    if sky.now >= limit {
        sky.fail("liveness", missing.unwrap_or_default());
        return true;
    }
    sky.after(LOOK_AGAIN, Event::Settled);
    false
}

/// What is not at rest yet.
fn unrest(sky: &Sky, world: &World) -> Option<String> {
    if let Some(client) = world.clients.iter().find(|client| !client.is_idle()) {
        let Client { at, region, job, .. } = client;
        return Some(format!("client {at} of region {region} ({job:?}) has no answer"));
    }
    if let Some(watcher) = world.watchers.iter().find(|it| it.is_behind(sky)) {
        return Some(format!("a watcher of {} is at {}", watcher.region, watcher.next));
    }
    if let Some(missing) = world.waiters.iter().find_map(|waiter| waiter.is_behind(sky)) {
        return Some(missing);
    }
    if let Some(untold) = untold(world) {
        return Some(untold);
    }
    for region in all_regions(world) {
        let mut positions = Vec::new();
        let mut leaders = 0;
        for node in &world.nodes {
            let Some(running) = &node.running else { return Some(format!("{} is down", node.id)) };
            let shard = running.shards.get(&region);
            let record = running.directory.regions.get(&region);
            let placed = record.and_then(RegionRecord::placed);
            let is_home = placed.is_none_or(|placed| placed.contains(&node.id));
            let shard = match (shard, is_home) {
                (Some(shard), true) => shard,
                (None, false) => continue,
                (None, true) => return Some(format!("node {} has no region {region}", node.id)),
                (Some(shard), false) => {
                    let conf = &shard.machine.applied().conf_state;
                    let id = node.id;
                    return Some(format!(
                        "node {id} still has region {region}: {conf:?}, {record:?}"
                    ));
                }
            };
            let conf = &shard.machine.applied().conf_state;
            let wanted = running.wanted(sky, region).unwrap_or_default();
            if !region::is_settled(conf, &wanted) {
                return Some(format!("region {region} is to be on {wanted:?}: {conf:?}"));
            }
            leaders += usize::from(shard.leadership.here);
            let leases: Vec<LeaseId> = shard.machine.leases().map(|(id, _)| id).collect();
            if !leases.is_empty() {
                return Some(format!("region {region}: leases {leases:?} do not end"));
            }
            if let Some(what) = shard.machine.registry().and_then(lasting) {
                return Some(format!("region {region}: {what}"));
            }
            if shard.machine.wants_scavenging() {
                return Some(format!("region {region}: history does not go on node {}", node.id));
            }
            let status = running.host.peer(region).map(region::Peer::status);
            positions.push((shard.machine.applied().index, status.map(|it| it.last)));
        }
        let Some((applied, _)) = positions.first().copied() else {
            return Some(format!("region {region} is nowhere"));
        };
        if leaders != 1 || positions.iter().any(|it| *it != (applied, Some(applied))) {
            return Some(format!("region {region}: {leaders} leaders, {positions:?}"));
        }
    }
    if sky.settings.replicas > 0 {
        let running = world.nodes.iter().filter_map(|node| node.running.as_ref());
        for running in running {
            if let Some(step) = running.moves_planned().first() {
                return Some(format!("a region is to move: {step:?}"));
            }
            if let Err(left) = running.leftovers() {
                return Some(left);
            }
        }
    }
    None
}

fn judge(sky: &mut Sky, world: &World) {
    let verdict = compare_nodes(&world.nodes, &sky.oracles);
    sky.judge("state machine safety", verdict);
    for (region, key) in sky.oracles.counters.keys() {
        let mut running = world.nodes.iter().filter_map(|node| node.running.as_ref());
        let running = running.find(|running| running.owns(region, &key));
        let value = running.and_then(|running| running.value(region, &key)).unwrap_or(0);
        let verdict = sky.oracles.counters.check(region, &key, value);
        sky.judge("exactly once", verdict);
    }
    let verdict = sky.oracles.histories.check(&mut sky.counts);
    sky.judge("linearizability", verdict);
    let quiet = world.clients.iter().filter(|client| client.answered == 0);
    let quiet = quiet.filter(|client| matches!(client.job, Job::Registers | Job::Counter)).count();
    if quiet > 0 {
        sky.fail("liveness", format!("{quiet} clients were never answered"));
    }
}
