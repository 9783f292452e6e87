//! Stories that chance alone tells too seldom, step by step: each step waits for what it needs.

use consensus::Replica;
use types::{NodeId, PeerId};

use super::node::Node;
use super::stage::Stage;
use super::{Event, at};
use crate::partition::Cuts;

/// A story under way.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    /// Who led first, and whose disk hangs.
    first: PeerId,
    slow: PeerId,
    step: Step,
    cuts: Cuts,
    ends: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The others elect one of them.
    Other,
    /// The first leads again.
    Again,
}

/// Longest a story takes, in microseconds; as long as the disk hangs.
const LASTS: u64 = 1_700_000;

fn sides(nodes: &[Node], one: &[PeerId]) -> Cuts {
    let mut cuts = Cuts::new();
    for from in nodes {
        for to in nodes {
            if one.contains(&from.peer) != one.contains(&to.peer) {
                cuts.push((NodeId(from.peer.get()), NodeId(to.peer.get())));
            }
        }
    }
    cuts
}

fn cut(stage: &mut Stage, cuts: &Cuts) {
    cuts.iter().for_each(|(from, to)| stage.network.cut(*from, *to));
}

fn mend(stage: &mut Stage, cuts: &Cuts) {
    if !stage.calm {
        cuts.iter().for_each(|(from, to)| stage.network.mend(*from, *to));
    }
}

/// A disk hangs while its node hears one leader, then another, then the first again: what it was
/// told, what overrules that, and what overrules this are on their way to the disk together.
pub(super) fn begin(stage: &mut Stage, nodes: &mut [Node]) {
    let leads = |node: &&Node| node.replica.as_ref().is_some_and(Replica::is_leader);
    let Some(leader) = nodes.iter().find(leads) else { return };
    let first = leader.peer;
    let voters = leader.disk.engine.conf.voters.clone();
    let others: Vec<PeerId> = voters.into_iter().filter(|peer| *peer != first).collect();
    if stage.plot.is_some() || others.len() < 4 {
        return;
    }
    let slow = others[usize::try_from(stage.random.below(4)).unwrap_or(0)];
    stage.note(first, "plot: leads with", [slow.get(), 0]);
    stage.network.mend_all();
    // Not at once: what it is writing then must be what the other overrules.
    nodes[at(slow)].hangs = (stage.now + 30_000, stage.now + LASTS - 200_000);
    let cuts = sides(nodes, &[first, slow]);
    cut(stage, &cuts);
    let ends = stage.now + LASTS;
    stage.plot = Some(Plot { first, slow, step: Step::Other, cuts, ends });
}

/// Somebody was elected.
pub(super) fn elected(stage: &mut Stage, nodes: &[Node], peer: PeerId) {
    let Some(mut plot) = stage.plot.take() else { return };
    match plot.step {
        Step::Other if peer != plot.first && peer != plot.slow => {
            stage.note(peer, "plot: leads with", [plot.slow.get(), 1]);
            mend(stage, &plot.cuts);
            plot.cuts = sides(nodes, &[peer, plot.slow]);
            cut(stage, &plot.cuts);
            plot.step = Step::Again;
            stage.plot = Some(plot);
        }
        Step::Again if peer == plot.first => {
            stage.note(peer, "plot: leads with", [plot.slow.get(), 2]);
            mend(stage, &plot.cuts);
        }
        _ => mend(stage, &plot.cuts),
    }
}

/// A story that does not go on ends.
pub(super) fn look(stage: &mut Stage) {
    if stage.plot.as_ref().is_some_and(|plot| plot.ends <= stage.now)
        && let Some(plot) = stage.plot.take()
    {
        mend(stage, &plot.cuts);
    }
}

/// One voter does not hear the leader any more and asks for votes; the others, who do hear it, die
/// and come back all the time: none of them may forget that it does.
pub(super) fn bounce(stage: &mut Stage, nodes: &[Node]) {
    let leads = |node: &&Node| node.replica.as_ref().is_some_and(Replica::is_leader);
    let Some(leader) = nodes.iter().find(leads).map(|node| node.peer) else { return };
    let deaf = PeerId(1 + leader.get() % super::PEERS);
    let (one, other) = (NodeId(leader.get()), NodeId(deaf.get()));
    let lasts = stage.between(600_000, 1_500_000);
    stage.note(leader, "is not heard by", [deaf.get(), lasts]);
    // It only stands a chance while it misses nothing.
    stage.quiet_until = stage.now + lasts;
    stage.after(30_000, Event::Cut(vec![(one, other), (other, one)], lasts));
    for peer in (1..=super::PEERS).map(PeerId).filter(|peer| *peer != leader && *peer != deaf) {
        let mut when = 200_000;
        while when < lasts {
            stage.after(when, Event::Bounce(peer));
            when += stage.between(40_000, 160_000);
        }
    }
}

/// The leader falls asleep over a question whose answer it finds when it wakes: by then another may
/// lead.
pub(super) fn nap(stage: &mut Stage, nodes: &mut [Node]) {
    let leads = |node: &&mut Node| node.replica.as_ref().is_some_and(Replica::is_leader);
    let Some(leader) = nodes.iter_mut().find(leads) else { return };
    leader.ask(stage);
    let lasts = stage.between(230_000, 480_000);
    stage.counts.pauses += 1;
    stage.note(leader.peer, "naps", [lasts, 0]);
    leader.paused_until = leader.paused_until.max(stage.now + lasts);
}
