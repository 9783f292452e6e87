//! What `node::membership` does, and whoever runs the cluster: nodes are removed and added in the
//! directory, and whoever leads a region brings it there, one safe step after the other. Where no meta
//! region tells, what is wanted is a replica on each node there is.

use std::collections::BTreeMap;

use state::command::Command;
use state::directory::{Part, Phase, RegionRecord};
use types::{ConfState, Epoch, NodeId, RegionId};

use super::Running;
use super::poller::ToPoller;
use crate::mutant::Mutant;
use crate::sky::Sky;

fn address(node: NodeId) -> String {
    format!("127.0.0.1:{node}")
}

impl Running {
    /// What there is to do about nodes that come and go.
    pub(super) fn drive_members(&mut self, sky: &mut Sky) {
        if !sky.settings.with_meta {
            return;
        }
        self.tell_peers(sky);
        let leads = self.shards.get(&RegionId::META).is_some_and(|meta| meta.leadership.here);
        let lying = sky.atlas.lying;
        let succession = lying.and_then(|it| Some((it.node, it.successor?)));
        if let Some((lost, new)) = succession.filter(|_| leads)
            && let Some(command) = self.next_command(lost, new)
        {
            self.propose_by_itself(sky, RegionId::META, 1, command);
        }
    }

    /// First the lost one is removed, then the new one added; then that comes.
    fn next_command(&self, lost: NodeId, new: NodeId) -> Option<Command> {
        let directory = &self.directory;
        directory.cluster?;
        if directory.nodes.get(&lost).is_some_and(|it| it.phase != Phase::Leaving) {
            return Some(Command::RemoveNode { node: lost });
        }
        let peer_address = address(new);
        match directory.nodes.get(&new).map(|it| it.phase) {
            None => Some(Command::AddNode { peer_address, part: Part::Voter }),
            Some(Phase::Joining) => Some(Command::IntroduceNode {
                peer_address,
                identity: u128::from(new.get()),
                name: format!("n{new}"),
                client_address: String::new(),
            }),
            Some(Phase::Member | Phase::Leaving) => None,
        }
    }

    /// The directory is told what the replicas are of regions that are on every node.
    fn tell_peers(&mut self, sky: &mut Sky) {
        let led = self.shards.iter().filter(|(_, it)| it.leadership.here);
        let untold = led.filter_map(|(region, shard)| {
            let record = self.directory.regions.get(region)?;
            let applied = shard.machine.applied();
            let is_news = record.sharding.is_none() && record.epoch < applied.epoch;
            is_news.then(|| (*region, applied.epoch, applied.conf_state.clone()))
        });
        for (region, epoch, conf) in untold.collect::<Vec<_>>() {
            self.record_peers(sky, region, epoch, conf);
        }
    }

    /// Tells the directory which replicas a region has. Nodes of such as are none any more drop them then.
    pub(super) fn record_peers(
        &mut self,
        sky: &mut Sky,
        region: RegionId,
        epoch: Epoch,
        conf: ConfState,
    ) {
        let record = self.directory.regions.get(&region);
        if record.is_some_and(|record| record.loses_some(&conf))
            && !self.host.is_membership_known(region)
        {
            return;
        }
        let mut peers = conf.voters.clone();
        peers.extend(&conf.learners);
        peers.extend(conf.voters_outgoing.iter().filter(|it| !conf.voters.contains(it)));
        let learners = conf.learners;
        let command = Command::RecordPeers { region, epoch, peers, learners };
        self.propose_by_itself(sky, RegionId::META, 1, command);
    }

    /// On which nodes a region is to have replicas; `None` if that is not known here.
    pub(crate) fn wanted(&self, sky: &Sky, region: RegionId) -> Option<BTreeMap<NodeId, Part>> {
        if !sky.settings.with_meta {
            return Some(sky.roster.seated().iter().map(|node| (*node, Part::Voter)).collect());
        }
        self.directory.regions.get(&region).map(|_| self.directory.wanted(region))
    }

    /// A step in each region led here whose replicas are not where they are to be.
    pub(super) fn reconcile_led(&mut self, sky: &mut Sky) {
        let mut steps = Vec::new();
        for (region, shard) in self.shards.iter().filter(|(_, it)| it.leadership.here) {
            let Some(wanted) = self.wanted(sky, *region) else { continue };
            let record = self.directory.regions.get(region);
            let applied = shard.machine.applied();
            let (epoch, conf) = (applied.epoch, &applied.conf_state);
            let is_planned = |record: &RegionRecord| {
                record.sharding.as_ref().is_some_and(|it| it.plan.is_some())
            };
            if record.is_some_and(|it| it.epoch != epoch || is_planned(it))
                || region::is_settled(conf, &wanted)
            {
                continue;
            }
            let generation = match sky.mutant {
                _ if !shard.machine.is_sharded() => 0,
                Some(Mutant::ReuseReplicas) => 0,
                _ => u32::try_from(epoch.conf_ver).unwrap_or(u32::MAX),
            };
            let (region, from) = (*region, conf.clone());
            steps.push(ToPoller::Reconcile { region, from, wanted, generation });
        }
        for step in steps {
            self.tell(sky, step);
        }
    }
}
