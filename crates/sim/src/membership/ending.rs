//! After the storm: the peers find a leader, serve, and become equal, within bounded time.

use bytes::Bytes;
use consensus::Replica;

use super::Event;
use super::node::{ELECTION_TICKS, Node, TICK};
use super::stage::Stage;

/// Microseconds after the last fault.
pub(super) const FIRST_LOOK: u64 = 400_000;
/// Election timeouts within which all must be well. A voter that came back is silent for one, the
/// first election may be split, and what was lost with it is resent after that.
const TIMEOUTS: u64 = 25;

/// Looks whether all is well; answers whether the run is over.
pub(super) fn look(stage: &mut Stage, nodes: &mut [Node]) -> bool {
    let missing = unrest(stage, nodes);
    if missing.is_none() {
        return true;
    }
    let limit = stage.storm + TIMEOUTS * ELECTION_TICKS as u64 * TICK;
    if stage.now >= limit {
        stage.fail("liveness", missing.unwrap_or_default());
        return true;
    }
    if stage.oracles.last() == stage.acknowledged {
        // Served already.
    } else if let Some(leader) =
        nodes.iter_mut().find(|it| it.replica.as_ref().is_some_and(Replica::is_leader))
    {
        leader.propose(stage, Bytes::from_static(b"the last one"));
    }
    stage.after(50_000, Event::Look);
    false
}

fn unrest(stage: &Stage, nodes: &[Node]) -> Option<String> {
    if stage.oracles.last() != stage.acknowledged {
        return Some(format!("{} was not served yet", stage.oracles.last()));
    }
    let mut leaders = nodes.iter().filter(|it| it.replica.as_ref().is_some_and(Replica::is_leader));
    let Some(leader) = leaders.next() else { return Some("nobody leads".to_owned()) };
    if leaders.next().is_some() {
        return Some("two lead".to_owned());
    }
    let engine = &leader.disk.engine;
    if !engine.conf.voters_outgoing.is_empty() {
        return Some(format!("still between two configurations: {:?}", engine.conf));
    }
    if stage.wanted.as_ref().is_some_and(|wanted| !region::is_settled(&engine.conf, wanted)) {
        return Some(format!("wanted is {:?}, and there is {:?}", stage.wanted, engine.conf));
    }
    if engine.applied < stage.oracles.last() {
        return Some(format!("{} applied {} only", leader.peer, engine.applied));
    }
    let members = engine.conf.voters.iter().chain(&engine.conf.learners);
    for peer in members {
        let node = &nodes[super::at(*peer)];
        if node.disk.engine != *engine {
            return Some(format!("{peer} is at {:?}, the leader at {engine:?}", node.disk.engine));
        }
    }
    None
}
