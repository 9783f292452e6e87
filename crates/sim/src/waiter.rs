//! Who waits for another answer of a registry (`node::Handle::registry_wait`): over whatever node it is
//! connected to, woken by that node's own bells, and by nothing else.

use std::pin::Pin;
use std::sync::Arc;

use futures::FutureExt;
use types::{RegionId, Revision};

use crate::event::Event;
use crate::mutant::Mutant;
use crate::node::Node;
use crate::registry::{QUESTIONS, Question, Share, Topic};
use crate::sky::Sky;

type Bell = Pin<Box<dyn Future<Output = ()>>>;

struct Connection {
    node: usize,
    life: u64,
    /// Rings when there may be another answer; it is listened for from its first moment.
    bell: Option<Bell>,
}

/// One who waits.
pub(crate) struct Waiter {
    region: RegionId,
    question: Question,
    /// The index of the newest answer.
    after: Revision,
    connection: Option<Connection>,
}

/// Listens from now on.
fn listen(share: Arc<Share>, topic: Topic) -> Bell {
    let mut bell = Box::pin(async move {
        if let Ok(listener) = share.waits.listen(topic) {
            listener.next().await;
        }
    });
    let rang = bell.as_mut().now_or_never();
    debug_assert_eq!(rang, None, "nothing rings before it is listened for");
    bell
}

impl Waiter {
    pub(crate) fn new(sky: &mut Sky, region: RegionId) -> Self {
        let which = sky.random.below(QUESTIONS.len() as u64);
        let question = QUESTIONS[usize::try_from(which).unwrap_or(0)];
        Self { region, question, after: Revision(0), connection: None }
    }

    /// What it waits for, if there is an answer that it does not have.
    pub(crate) fn is_behind(&self, sky: &Sky) -> Option<String> {
        let newest = sky.oracles.registry.answers.newest(self.region, self.question);
        let Self { question, after, .. } = self;
        (*after < newest).then(|| format!("{question:?} has index {newest}, told was {after}"))
    }

    /// It looks whether the bell rang.
    pub(crate) fn look(&mut self, sky: &mut Sky, nodes: &[Node], at: usize) {
        let again = sky.between(2_000, if sky.calm { 40_000 } else { 120_000 });
        sky.after(again, Event::Wait { waiter: at });
        let is_cut = !sky.calm && sky.random.chance(3);
        let is_gone =
            |it: &Connection| nodes[it.node].running.is_none() || nodes[it.node].life != it.life;
        if is_cut || self.connection.as_ref().is_some_and(is_gone) {
            self.connection = None;
        }
        let node = match &self.connection {
            Some(connection) => connection.node,
            None => usize::try_from(sky.random.below(nodes.len() as u64)).unwrap_or(0),
        };
        let Some(running) = nodes[node].running.as_ref() else { return };
        let Some(shard) = running.shards.get(&self.region) else { return };
        let Some(share) = shard.registry.clone() else { return };
        if nodes[node].paused_until > sky.now {
            return;
        }
        let life = nodes[node].life;
        let connection = self.connection.get_or_insert(Connection { node, life, bell: None });
        let Some(registry) = shard.machine.registry() else { return };
        let seen = self.question.ask(registry);
        if let Some(bell) = &mut connection.bell
            && bell.as_mut().now_or_never().is_none()
        {
            if seen.index > self.after {
                let (question, index, after) = (self.question, seen.index, self.after);
                let what = format!(
                    "node {}: {question:?} has index {index}, who waits for more than {after} sleeps",
                    running.id()
                );
                sky.fail("wake-ups", what);
            }
            return;
        }
        sky.counts.waits_woken += u64::from(connection.bell.is_some());
        let late = sky.mutant == Some(Mutant::ListenLate) && connection.bell.is_none();
        // Before it looks, so that no change falls between; the mutant does it after it has looked.
        connection.bell = Some(listen(share, self.question.topic()));
        if late {
            return;
        }
        if seen.index > self.after {
            sky.counts.waits_answered += 1;
            let verdict = sky.oracles.registry.answers.told(self.region, self.question, seen);
            sky.judge("answers and their index", verdict);
            self.after = seen.index;
        }
        if sky.mutant == Some(Mutant::ListenLate) {
            connection.bell = None;
        }
    }
}
