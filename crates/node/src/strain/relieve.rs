//! Looks at what strains this node, and has others lead meanwhile.

use std::sync::Arc;
use std::time::Duration;

use env::Moment;
use futures::FutureExt;
use futures::future::OptionFuture;
use types::NodeId;

use super::Strain;
use crate::flight::Event;
use crate::liveness::Liveness;
use crate::meters::client_descriptors_left;
use crate::shared::Shared;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long a strain must last before it costs a change of leaders.
const LASTS: Duration = Duration::from_millis(500);
/// Between two times that a node gives away what it leads. What it is given in between it keeps, so that two
/// nodes that are strained by turns do not pass it to and fro.
const AGAIN: Duration = Duration::from_secs(15);
/// The same after nobody could take any of it: a look at all its regions is work, too.
const IN_VAIN: Duration = Duration::from_secs(2);
/// Looks from one count of file descriptors to the next: before Linux 6.2 it walks over all of them.
const FILES_EVERY: u32 = 4;

/// File descriptors that must be free for clients again before a node is not crowded any more.
const FEW: u64 = 8;

/// When to hand over. Pure.
#[derive(Default, Debug)]
struct Patience {
    strained_since: Option<Moment>,
    not_before: Option<Moment>,
}

impl Patience {
    /// Whether what this node leads is to be handed over now.
    fn is_due(&mut self, now: Moment, strain: Strain) -> bool {
        if !strain.hinders() {
            self.strained_since = None;
            return false;
        }
        let since = *self.strained_since.get_or_insert(now);
        now.since(since) >= LASTS && self.not_before.is_none_or(|at| now >= at)
    }

    /// So many regions were handed over.
    fn handed_over(&mut self, now: Moment, given: usize) {
        self.not_before = Some(now.after(if given > 0 { AGAIN } else { IN_VAIN }));
    }
}

/// Looks for as long as the node runs.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut before, mut patience) = (Strain::default(), Patience::default());
    let mut handing_over = None;
    let mut looks = 0_u32;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            given = OptionFuture::from(handing_over.as_mut()), if handing_over.is_some() => {
                handing_over = None;
                let given: usize = given.unwrap_or(0);
                patience.handed_over(shared.clock.now(), given);
                if given > 0 {
                    shared.meters.handovers.add(given as u64);
                    tracing::warn!(regions = given, "leadership was given to nodes that are well");
                }
                continue;
            }
        }
        let now = shared.clock.now();
        let far = shared.live.liveness.lock().is_far();
        // So that it does not come and go with every client that does.
        let few = if before.crowded { FEW } else { 0 };
        let counts = looks.is_multiple_of(FILES_EVERY);
        looks = looks.wrapping_add(1);
        let crowded = if counts { client_descriptors_left(0) <= few } else { before.crowded };
        let strain = shared.gauge.look(now, far, crowded);
        if strain != before {
            tell(&shared, now, before, strain);
            before = strain;
        }
        let may = !shared.config.leads_strained && handing_over.is_none();
        if may && patience.is_due(now, strain) && leads(&shared) {
            let giving = Arc::clone(&shared);
            let give = async move { crate::node::hand_over_to_well(&giving).await };
            handing_over = Some(give.boxed());
        }
    }
}

fn leads(shared: &Shared) -> bool {
    if !shared.shards().values().any(|shard| shard.leadership().here) {
        return false;
    }
    let directory = shared.directory();
    let liveness = shared.live.liveness.lock();
    // Where nobody is better off, nothing is won.
    directory.nodes.keys().any(|node| is_well(&liveness, *node))
}

/// Whether another node can take over from one that is strained.
pub(crate) fn is_well(liveness: &Liveness, node: NodeId) -> bool {
    liveness.is_heard(node)
        && !liveness.strain(node).hinders()
        && !liveness.is_read_only(node)
        && !liveness.is_stopping(node)
}

fn tell(shared: &Shared, now: Moment, before: Strain, strain: Strain) {
    let (syncs, late) = (shared.gauge.syncs(now), shared.gauge.lateness(now));
    let (mean, longest) = (syncs.mean().as_millis(), syncs.longest.as_millis());
    let kinds = [
        (
            "slow disk",
            before.slow_disk,
            strain.slow_disk,
            format!("syncs of the log take {mean} ms, up to {longest} ms; who else uses this disk?"),
        ),
        (
            "starved",
            before.starved,
            strain.starved,
            format!(
                "its threads run up to {} ms late: too little processor time",
                late.longest.as_millis()
            ),
        ),
        ("far", before.far, strain.far, "its links to the other nodes are slow".to_owned()),
        (
            "crowded",
            before.crowded,
            strain.crowded,
            "no file descriptors are left for clients, and those that come are refused; the rest is for the \
             other nodes and the disk; raise the limit, or see who connects so often"
                .to_owned(),
        ),
    ];
    for (kind, was, is, words) in kinds {
        if was == is {
            continue;
        }
        shared.flight.note(Event::Strain { what: kind.to_owned(), begins: is });
        match is {
            true => tracing::warn!("this node is strained ({kind}): {words}"),
            false => tracing::info!("this node is well again ({kind})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use env::Moment;

    use super::{Patience, Strain};

    #[test]
    fn leadership_goes_once_the_strain_lasts_and_not_again_at_once() {
        let at = |ms| Moment(Duration::from_millis(ms));
        let (bad, well) = (Strain { slow_disk: true, ..Strain::default() }, Strain::default());
        let mut patience = Patience::default();
        assert!(!patience.is_due(at(500), bad));
        assert!(!patience.is_due(at(900), well), "it passed");
        assert!(!patience.is_due(at(1_500), bad) && !patience.is_due(at(1_999), bad));
        assert!(patience.is_due(at(2_000), bad));
        assert!(patience.is_due(at(2_250), bad), "nothing was tried");
        patience.handed_over(at(2_300), 0);
        assert!(!patience.is_due(at(4_299), bad), "nobody could take any");
        assert!(patience.is_due(at(4_300), bad));
        patience.handed_over(at(4_300), 3);
        assert!(!patience.is_due(at(19_299), bad), "not again so soon");
        assert!(patience.is_due(at(19_300), bad));
    }
}
