//! Words on their way to the leader's clock. Those that come while others are under way go together:
//! where nothing waits each goes at once, and the more there are the less each costs.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;
use types::{Code, Fault};

use super::word::{Told, WORDS_TOGETHER, Word, tell_leader};
use crate::forward::REQUEST_TIMEOUT;
use crate::shard::Shard;
use crate::shared::Shared;

/// Words that wait at most.
const WAITING: usize = 262_144;
/// Messages under way at once.
const CARRIERS: usize = 2;

type Reply = oneshot::Sender<Result<Vec<Told>, Fault>>;

#[derive(Default)]
pub(crate) struct Lane {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    groups: VecDeque<(Vec<Word>, Reply)>,
    words: usize,
    carriers: usize,
}

impl Queue {
    /// What goes with one message: whole groups.
    fn take(&mut self) -> Vec<(Vec<Word>, Reply)> {
        let (mut taken, mut words) = (Vec::new(), 0);
        while let Some((group, _)) = self.groups.front()
            && (words == 0 || words + group.len() <= WORDS_TOGETHER)
        {
            words += group.len();
            taken.extend(self.groups.pop_front());
        }
        self.words -= words;
        taken
    }
}

/// Says words to the leader's clock, at most [`WORDS_TOGETHER`]; answers each of them.
///
/// # Errors
/// As [`tell_leader`]; `TooManyRequests` when too many wait.
pub(crate) async fn say(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    words: Vec<Word>,
) -> Result<Vec<Told>, Fault> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let lane = &shard.registry()?.lane;
    let (reply, answer) = oneshot::channel();
    let carries = {
        let mut queue = lane.queue.lock();
        if queue.words + words.len() > WAITING {
            let detail = format!("{WAITING} beats and renewals wait already");
            return Err(Fault::new(Code::TooManyRequests, detail));
        }
        queue.words += words.len();
        queue.groups.push_back((words, reply));
        let carries = queue.carriers < CARRIERS;
        queue.carriers += usize::from(carries);
        carries
    };
    if carries {
        let (shared, shard) = (Arc::clone(shared), Arc::clone(shard));
        tokio::spawn(async move { carry(&shared, &shard).await });
    }
    let answer = timeout(REQUEST_TIMEOUT, answer).await.map_err(|_| Code::Timeout)?;
    answer.map_err(|_| Fault::from(Code::ShuttingDown))?
}

/// Brings what waits to the leader, until nothing does.
async fn carry(shared: &Arc<Shared>, shard: &Arc<Shard>) {
    let Ok(share) = shard.registry() else { return };
    loop {
        let taken = {
            let mut queue = share.lane.queue.lock();
            let taken = queue.take();
            if taken.is_empty() {
                queue.carriers -= 1;
                return;
            }
            taken
        };
        let (groups, replies): (Vec<Vec<Word>>, Vec<Reply>) = taken.into_iter().unzip();
        let lengths: Vec<usize> = groups.iter().map(Vec::len).collect();
        let words: Vec<Word> = groups.into_iter().flatten().collect();
        match tell_leader(shared, shard, &words).await {
            Ok(told) => {
                let mut told = told.into_iter();
                for (reply, length) in replies.into_iter().zip(lengths) {
                    drop(reply.send(Ok(told.by_ref().take(length).collect())));
                }
            }
            Err(fault) => {
                for reply in replies {
                    drop(reply.send(Err(fault.clone())));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use state::registry::TimerId;
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn groups_go_together_and_stay_whole() {
        let mut queue = Queue::default();
        for length in [1, 600, 423, 1, 1_024, 1_000] {
            queue.words += length;
            let (reply, _) = oneshot::channel();
            queue.groups.push_back((vec![Word::Renew(TimerId(1)); length], reply));
        }
        let mut lengths = Vec::new();
        loop {
            let taken = queue.take();
            if taken.is_empty() {
                break;
            }
            lengths.push(taken.iter().map(|(words, _)| words.len()).collect::<Vec<_>>());
        }
        assert_eq!(lengths, [vec![1, 600, 423], vec![1], vec![1_024], vec![1_000]]);
        assert_eq!(queue.words, 0);
    }
}
