use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_response::Tell;
use tokio::time::Instant;
use tonic::Code;

use super::mailbox::{Mailbox, Note};

/// Instances of one message.
const BEATS: usize = 65_536;
/// Instances that wait at most.
const WAITING: usize = 1 << 20;
/// Between two messages. The shortest time to live is a second, so that nobody misses so little; and what
/// comes meanwhile goes together.
const REST: Duration = Duration::from_millis(10);

/// Beats of all clients, which go upstream together, one message at a time.
#[derive(Default)]
pub(super) struct Beats {
    waiting: VecDeque<Message>,
    /// Instances in `waiting`.
    count: usize,
    under_way: Option<Batch>,
    rests_until: Option<Instant>,
}

/// What one client said.
struct Message {
    mailbox: Arc<Mailbox>,
    instances: Vec<u64>,
    /// The client's number; 0 if it wants no answer.
    request: u64,
}

struct Batch {
    number: u64,
    messages: Vec<Message>,
    unknown: BTreeSet<u64>,
}

impl Beats {
    /// Takes what a client says.
    pub(super) fn add(&mut self, mailbox: &Arc<Mailbox>, beats: pb::Beats) {
        let pb::Beats { mut instances, request } = beats;
        instances.truncate(BEATS);
        mailbox.begin();
        let message = Message { mailbox: Arc::clone(mailbox), instances, request };
        if self.count + message.instances.len() > WAITING {
            let told =
                format!("hiraeth: a limit was reached: {WAITING} beats wait in this gateway");
            return message.done(&BTreeSet::new(), &answer(Code::ResourceExhausted, &told));
        }
        self.count += message.instances.len();
        self.waiting.push_back(message);
    }

    /// When the next message may go; `None` if there is none, or one is under way.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        let is_ready = self.under_way.is_none() && !self.waiting.is_empty();
        is_ready.then(|| self.rests_until.unwrap_or_else(Instant::now))
    }

    /// The next message, which is to be answered by `number`.
    pub(super) fn next(&mut self, number: u64, now: Instant) -> Option<pb::Beats> {
        if self.ready_at().is_none() || self.rests_until.is_some_and(|at| at > now) {
            return None;
        }
        let mut messages: Vec<Message> = Vec::new();
        let mut instances: Vec<u64> = Vec::new();
        while let Some(message) = self.waiting.pop_front() {
            if instances.len() + message.instances.len() > BEATS {
                self.waiting.push_front(message);
                break;
            }
            instances.extend_from_slice(&message.instances);
            messages.push(message);
        }
        self.count -= instances.len();
        self.rests_until = Some(now + REST);
        self.under_way = Some(Batch { number, messages, unknown: BTreeSet::new() });
        Some(pb::Beats { instances, request: number })
    }

    /// A member does not know these.
    pub(super) fn unknown(&mut self, beats: pb::Beats) {
        if let Some(batch) = &mut self.under_way {
            batch.unknown.extend(beats.instances);
        }
    }

    /// A message was heard, or refused; answers whether it was one of these.
    pub(super) fn answered(&mut self, answer: &pb::Answer) -> bool {
        let Some(batch) = self.under_way.take_if(|batch| batch.number == answer.request) else {
            return false;
        };
        for message in batch.messages {
            message.done(&batch.unknown, answer);
        }
        true
    }

    /// The member is gone: what was under way goes to the next one. To beat twice does no harm.
    pub(super) fn disconnected(&mut self) {
        self.rests_until = None;
        let Some(batch) = self.under_way.take() else { return };
        for message in batch.messages.into_iter().rev() {
            self.count += message.instances.len();
            self.waiting.push_front(message);
        }
    }

    /// Nobody is there: who gets no answer beats again.
    pub(super) fn give_up(&mut self, why: &str) {
        self.disconnected();
        self.count = 0;
        for message in self.waiting.drain(..) {
            message.done(&BTreeSet::new(), &answer(Code::Unavailable, why));
        }
    }
}

pub(super) fn answer(code: Code, message: &str) -> pb::Answer {
    pb::Answer { code: code.into(), message: message.to_owned(), ..pb::Answer::default() }
}

impl Message {
    /// Tells the client what became of it.
    fn done(self, unknown: &BTreeSet<u64>, answer: &pb::Answer) {
        let Self { mailbox, instances, request } = self;
        if !unknown.is_empty() {
            let own: Vec<u64> = instances.into_iter().filter(|it| unknown.contains(it)).collect();
            if !own.is_empty() {
                let unknown = pb::Beats { instances: own, request };
                mailbox.put(Note::Tell(Tell::Unknown(unknown)));
            }
        }
        if request == 0 {
            mailbox.end();
        } else {
            mailbox.answer(request, answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proto::hiraeth::v1 as pb;
    use proto::hiraeth::v1::open_response::Tell;
    use tokio::time::Instant;

    use super::{BEATS, Beats, Mailbox, Note, REST, WAITING};

    fn told(mailbox: &Mailbox) -> Vec<Tell> {
        let tells = std::iter::from_fn(|| mailbox.take()).map(|note| match note {
            Note::Tell(tell) => tell,
            Note::News(_) | Note::Refused(..) => panic!("it is about beats"),
        });
        tells.collect()
    }

    #[test]
    fn beats_of_many_go_together_and_each_hears_of_its_own() {
        let (one, other): (Arc<Mailbox>, Arc<Mailbox>) = Default::default();
        let mut beats = Beats::default();
        let now = Instant::now();
        beats.add(&one, pb::Beats { instances: vec![1, 2], request: 0 });
        beats.add(&other, pb::Beats { instances: vec![2, 3], request: 7 });
        let sent = beats.next(40, Instant::now()).unwrap();
        assert_eq!((sent.instances, sent.request), (vec![1, 2, 2, 3], 40));
        beats.add(&one, pb::Beats { instances: vec![1], request: 0 });
        assert!(beats.next(41, now + REST * 9).is_none(), "one is under way");
        beats.unknown(pb::Beats { instances: vec![2, 3], request: 40 });
        assert!(!beats.answered(&pb::Answer { request: 39, ..pb::Answer::default() }));
        assert!(beats.answered(&pb::Answer { request: 40, ..pb::Answer::default() }));
        assert_eq!(told(&one), [Tell::Unknown(pb::Beats { instances: vec![2], request: 0 })]);
        let unknown = Tell::Unknown(pb::Beats { instances: vec![2, 3], request: 7 });
        let heard = Tell::Answer(pb::Answer { request: 7, ..pb::Answer::default() });
        assert_eq!(told(&other), [unknown, heard]);

        // A member that goes takes nothing with it.
        assert!(beats.next(42, now).is_none(), "it rests");
        let again = beats.next(42, now + REST * 9).unwrap();
        assert_eq!(again.instances, [1]);
        beats.disconnected();
        assert_eq!(beats.next(43, Instant::now()).unwrap().instances, [1]);
    }

    #[test]
    fn what_waits_is_bounded_and_so_is_a_message() {
        let mailbox: Arc<Mailbox> = Arc::default();
        let mut beats = Beats::default();
        for _ in 0..WAITING / BEATS {
            beats.add(&mailbox, pb::Beats { instances: vec![1; BEATS + 1], request: 0 });
        }
        beats.add(&mailbox, pb::Beats { instances: vec![1], request: 5 });
        let [Tell::Answer(refused)] = &told(&mailbox)[..] else { panic!("it is refused") };
        assert!(refused.request == 5 && refused.message.contains("a limit was reached"));
        assert_eq!(beats.next(1, Instant::now()).unwrap().instances.len(), BEATS);
        beats.give_up("nobody is there");
        assert!(beats.ready_at().is_none() && mailbox.has_room());
    }
}
