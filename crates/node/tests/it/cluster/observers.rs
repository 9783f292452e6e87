//! What an observer is told.

use std::collections::BTreeMap;

use node::{Observation, Observer, StateKind};
use types::{NodeId, RegionId};

use super::world::{Cluster, DEFAULT, within};

const REGION: RegionId = RegionId(2);

/// What an observer knows when it adds up what it was told.
#[derive(Default)]
struct Known {
    leader: Option<NodeId>,
    state: Option<StateKind>,
    alive: BTreeMap<NodeId, bool>,
    nodes: usize,
}

impl Known {
    fn add(&mut self, seen: &Observation) {
        for region in seen.regions.iter().filter(|region| region.region == REGION) {
            (self.leader, self.state) = (region.leader, Some(region.state));
        }
        self.alive.extend(seen.nodes.iter().map(|node| (node.node, node.is_alive)));
        if let Some(directory) = &seen.directory {
            self.nodes = directory.nodes.len();
        }
    }

    async fn until(&mut self, what: &str, observer: &mut Observer, is: impl Fn(&Self) -> bool) {
        let added = async {
            while !is(self) {
                let seen = observer.next().await.expect("the node runs");
                self.add(&seen);
            }
        };
        within(what, added).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn observers_end_with_the_newest_and_with_the_node() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    cluster.make_leader(0).await;
    // This one does not look before everything is over.
    let mut slow = cluster.handle(1).observe();
    let (mut quick, mut known) = (cluster.handle(1).observe(), Known::default());
    let led = |by: u64| {
        move |known: &Known| {
            known.leader == Some(NodeId(by)) && known.state == Some(StateKind::Active)
        }
    };
    known.until("the leader", &mut quick, led(1)).await;
    assert_eq!(known.nodes, 3, "the configuration");

    cluster.stop(0).await;
    let lost = |known: &Known| known.alive.get(&NodeId(1)) == Some(&false);
    known.until("the loss", &mut quick, lost).await;
    let other = |known: &Known| known.leader.is_some_and(|leader| leader != NodeId(1));
    known.until("another leader", &mut quick, other).await;
    cluster.stop(2).await;
    let without = |known: &Known| known.state == Some(StateKind::NoQuorum);
    known.until("the loss of the quorum", &mut quick, without).await;
    cluster.start_again(2).await;
    let active = |known: &Known| known.state == Some(StateKind::Active);
    known.until("a quorum", &mut quick, active).await;
    assert!(cluster.handle(1).has_leader(DEFAULT));

    cluster.stop_all().await;
    let mut late = Known::default();
    let mut told = 0;
    while let Some(seen) = within("news", slow.next()).await {
        told += 1;
        late.add(&seen);
    }
    assert_eq!(told, 1, "everything at once");
    assert_eq!(late.alive.get(&NodeId(1)), Some(&false));
    assert_eq!(late.nodes, 3);
    while let Some(seen) = within("news", quick.next()).await {
        known.add(&seen);
    }
    assert_eq!((late.leader, late.state, &late.alive), (known.leader, known.state, &known.alive));
}
