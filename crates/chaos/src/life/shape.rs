//! Where regions are, and who leads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use client::Client;
use client::native::Role;

use super::KEYSPACE;
use super::lead::REGISTRY;

/// Replicas a region is to have.
const REPLICAS: usize = 3;
/// How far a node may be from even, in percent.
const TOLERANCE: f64 = 10.0;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Shape {
    /// The nodes of each region.
    pub(super) homes: BTreeMap<u64, BTreeSet<u64>>,
    /// Whether each node of the cluster takes replicas.
    pub(super) nodes: BTreeMap<u64, bool>,
    /// The regions of a sharded registry: they are on every node, and led evenly with the others.
    parts: BTreeSet<u64>,
    /// How many each leads.
    leads: BTreeMap<u64, usize>,
}

/// Asks for it.
pub(super) async fn look(
    client: &Client,
    addresses: impl Iterator<Item = &str>,
) -> anyhow::Result<Shape> {
    let mut shape = Shape::default();
    for region in client.keyspace_regions(KEYSPACE).await? {
        shape.homes.insert(region.region, region.nodes.into_iter().collect());
    }
    for address in addresses {
        let status = client.node_status(address).await?;
        let is_part = |name: &str| name == REGISTRY || name.starts_with("registry.");
        let named = status.keyspaces.iter().filter(|keyspace| is_part(&keyspace.name));
        let parts: BTreeSet<u64> = named.map(|keyspace| keyspace.region).collect();
        if parts.len() > 1 {
            shape.parts = parts;
        }
        let counts =
            |region: u64| shape.homes.contains_key(&region) || shape.parts.contains(&region);
        let led = status
            .regions
            .iter()
            .filter(|region| region.role() == Role::Leader && counts(region.id))
            .count();
        shape.leads.insert(status.node, led);
        let takes = |draining: bool, phase: &str| !draining && phase == "member";
        shape.nodes =
            status.nodes.iter().map(|it| (it.id, takes(it.draining, &it.phase))).collect();
    }
    Ok(shape)
}

impl Shape {
    pub(super) fn replicas(&self, node: u64) -> usize {
        self.homes.values().filter(|home| home.contains(&node)).count()
    }

    /// Whether every region has its replicas.
    pub(super) fn is_whole(&self) -> bool {
        self.homes.values().all(|home| home.len() == REPLICAS)
    }

    /// Those that take replicas and are there.
    fn takers(&self) -> Vec<u64> {
        let takers =
            self.nodes.iter().filter(|(node, takes)| **takes && self.leads.contains_key(*node));
        takers.map(|(node, _)| *node).collect()
    }

    /// Whether every node has about as many as the others, or as nearly so as whole numbers can be: of 47
    /// over seven, six are more than a tenth off.
    fn is_spread(&self, count: impl Fn(u64) -> usize) -> bool {
        let counts: Vec<usize> = self.takers().into_iter().map(&count).collect();
        let most = counts.iter().max().copied().unwrap_or(0);
        let least = counts.iter().min().copied().unwrap_or(0);
        most - least <= 1 || self.off(count) <= TOLERANCE
    }

    /// How far the node that is farthest from the average is off, in percent, of what `count` counts.
    fn off(&self, count: impl Fn(u64) -> usize) -> f64 {
        let counts: Vec<f64> = self.takers().into_iter().map(|node| count(node) as f64).collect();
        let mean = counts.iter().sum::<f64>() / (counts.len().max(1) as f64);
        let off = counts.iter().map(|count| (count - mean).abs()).fold(0.0, f64::max);
        if mean == 0.0 { 0.0 } else { 100.0 * off / mean }
    }

    fn leads(&self, node: u64) -> usize {
        self.leads.get(&node).copied().unwrap_or(0)
    }

    pub(super) fn is_even(&self) -> bool {
        let few = self.homes.len() < 30;
        let led: usize = self.leads.values().sum();
        self.is_whole()
            && led == self.homes.len() + self.parts.len()
            && (few
                || self.is_spread(|node| self.replicas(node))
                    && self.is_spread(|node| self.leads(node)))
    }

    /// Replicas that are where there was none before, of regions that were there.
    pub(super) fn moved_since(&self, before: &Self) -> usize {
        let both = self.homes.iter().filter_map(|(id, home)| Some((home, before.homes.get(id)?)));
        both.map(|(now, before)| now.difference(before).count()).sum()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} regions; replicas/leaders:", self.homes.len())?;
        for node in self.nodes.keys() {
            write!(f, " n{node} {}/{}", self.replicas(*node), self.leads(*node))?;
        }
        let replicas = self.off(|node| self.replicas(node));
        let leaders = self.off(|node| self.leads(node));
        write!(f, "; off by {replicas:.1} % and {leaders:.1} %")
    }
}
