//! What clients say to the leader's clock, through whichever node they are connected to: beats, renewals,
//! and the question whether a key may be locked. Many go in one message; none goes through the log.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use state::registry::deadlines::Heard;
use state::registry::{Status, TimerId};
use types::{Code, Fault};

use super::Share;
use crate::forward::{ask, leader_round, malformed, until_answered};
use crate::frame::Question;
use crate::shard::{Leadership, Shard};
use crate::shared::Shared;

/// Words that one message has at most: what it asks for is held up by the others in it.
pub(crate) const WORDS_TOGETHER: usize = 1_024;
/// Bytes of a key that can be asked for: more than any that is taken.
const KEY_BYTES: usize = types::limits::KEY_BYTES;

/// Something said to the leader's clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// A check was heard to stand like this.
    Beat(TimerId, Status),
    /// A session is renewed.
    Renew(TimerId),
    /// May this key be locked?
    Lock(Bytes),
}

/// What the leader's clock says to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Told {
    /// It knows no such deadline; the key may not be locked.
    No = 0,
    /// It is so; nothing else is to be done.
    Yes = 1,
    /// The check stands like this now: to be proposed.
    Passing = 2,
    Warning = 3,
    Critical = 4,
}

impl Told {
    fn from_u8(number: u8) -> Option<Self> {
        [Self::No, Self::Yes, Self::Passing, Self::Warning, Self::Critical]
            .into_iter()
            .find(|told| *told as u8 == number)
    }

    /// How the check stands, if that is to be proposed.
    pub(crate) fn status(self) -> Option<Status> {
        match self {
            Self::No | Self::Yes => None,
            Self::Passing => Some(Status::Passing),
            Self::Warning => Some(Status::Warning),
            Self::Critical => Some(Status::Critical),
        }
    }
}

impl From<Heard> for Told {
    fn from(heard: Heard) -> Self {
        match heard {
            Heard::Unknown => Self::No,
            Heard::Nothing => Self::Yes,
            Heard::Stands(Status::Passing) => Self::Passing,
            Heard::Stands(Status::Warning) => Self::Warning,
            Heard::Stands(Status::Critical) => Self::Critical,
        }
    }
}

const BEAT: u8 = 0;
const RENEW: u8 = 8;
const LOCK: u8 = 9;

fn encode(words: &[Word]) -> Bytes {
    let mut out = BytesMut::with_capacity(words.len() * 9);
    for word in words {
        match word {
            Word::Beat(timer, status) => {
                out.put_u8(BEAT + *status as u8);
                out.put_u64(timer.0);
            }
            Word::Renew(timer) => {
                out.put_u8(RENEW);
                out.put_u64(timer.0);
            }
            Word::Lock(key) => {
                out.put_u8(LOCK);
                out.put_u32(u32::try_from(key.len()).unwrap_or(u32::MAX));
                out.put_slice(key);
            }
        }
    }
    out.freeze()
}

fn decode(mut body: Bytes) -> Option<Vec<Word>> {
    let mut words = Vec::with_capacity((body.len() / 9).min(WORDS_TOGETHER));
    while body.has_remaining() {
        if words.len() == WORDS_TOGETHER {
            return None;
        }
        let kind = body.get_u8();
        words.push(match kind {
            RENEW => Word::Renew(TimerId(body.try_get_u64().ok()?)),
            LOCK => {
                let length = usize::try_from(body.try_get_u32().ok()?).ok()?;
                if length > KEY_BYTES || length > body.len() {
                    return None;
                }
                Word::Lock(body.split_to(length))
            }
            status => {
                let known = [Status::Passing, Status::Warning, Status::Critical];
                let status = known.into_iter().find(|it| BEAT + *it as u8 == status)?;
                Word::Beat(TimerId(body.try_get_u64().ok()?), status)
            }
        });
    }
    (!words.is_empty()).then_some(words)
}

/// Says words to the leader's clock, at most [`WORDS_TOGETHER`]; answers to each in their order.
pub(crate) async fn tell_leader(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    words: &[Word],
) -> Result<Vec<Told>, Fault> {
    let body = encode(words);
    let answer = until_answered(shared, shard, None, |leader: Leadership, _| {
        let (shared, shard, body) = (Arc::clone(shared), Arc::clone(shard), body.clone());
        async move {
            if leader.here {
                return answer_words(&shared, &shard, &body).await;
            }
            let node = leader.leader.ok_or(Code::NoLeader)?;
            ask(&shared, shard.record.id, node, Question::Registry, body).await
        }
    })
    .await?;
    let told: Option<Vec<Told>> = answer.iter().map(|byte| Told::from_u8(*byte)).collect();
    told.filter(|told| told.len() == words.len()).ok_or_else(malformed)
}

/// Answers words at once, if nothing has to be waited for: this node leads, a quorum said so a moment
/// ago, it has applied all it knows, and knows every deadline.
pub(crate) fn hear_now(shared: &Shared, shard: &Shard, body: &Bytes) -> Option<Bytes> {
    let share = shard.registry.as_ref()?;
    let now = shared.clock.now();
    if shard.lease_left(now, &shared.config.clock_rules()).is_none() || !shard.is_caught_up() {
        return None;
    }
    let words = decode(body.clone())?;
    let mut answer = BytesMut::with_capacity(words.len());
    for word in &words {
        match hear(share, now, word)? {
            Told::No if !matches!(word, Word::Lock(_)) => return None,
            told => answer.put_u8(told as u8),
        }
    }
    Some(answer.freeze())
}

/// `None` if this node does not lead.
fn hear(share: &Share, now: env::Moment, word: &Word) -> Option<Told> {
    match word {
        Word::Beat(timer, status) => share.clock.hear(now, *timer, *status).map(Told::from),
        Word::Renew(timer) => {
            share.clock.renew(now, *timer).map(|known| if known { Told::Yes } else { Told::No })
        }
        Word::Lock(key) => {
            Some(if share.clock.is_delayed(now, key) { Told::No } else { Told::Yes })
        }
    }
}

/// Answers words; this node must lead. What somebody was told is gone is unknown here, and what
/// somebody was told is there is known.
pub(crate) async fn answer_words(
    shared: &Shared,
    shard: &Shard,
    body: &Bytes,
) -> Result<Bytes, Fault> {
    let share = shard.registry()?;
    if !shard.leadership().here {
        return Err(Code::NotLeader.into());
    }
    let words = decode(body.clone()).ok_or_else(malformed)?;
    leader_round(
        shared,
        shard,
        || hear_now(shared, shard, body),
        || {
            let now = shared.clock.now();
            let mut answer = BytesMut::with_capacity(words.len());
            for word in &words {
                answer.put_u8(hear(share, now, word).ok_or(Code::NotLeader)? as u8);
            }
            Ok(answer.freeze())
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = Word> {
        let status =
            prop_oneof![Just(Status::Passing), Just(Status::Warning), Just(Status::Critical)];
        prop_oneof![
            (any::<u64>(), status).prop_map(|(timer, status)| Word::Beat(TimerId(timer), status)),
            any::<u64>().prop_map(|timer| Word::Renew(TimerId(timer))),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|key| Word::Lock(key.into())),
        ]
    }

    proptest! {
        #[test]
        fn words_come_back(words in prop::collection::vec(word(), 1..50)) {
            prop_assert_eq!(decode(encode(&words)), Some(words));
        }

        #[test]
        fn any_bytes_are_words_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(words) = decode(Bytes::from(bytes.clone())) {
                prop_assert_eq!(encode(&words), Bytes::from(bytes));
            }
        }
    }

    #[test]
    fn too_many_words_are_none() {
        let words = vec![Word::Renew(TimerId(7)); WORDS_TOGETHER];
        assert!(decode(encode(&words)).is_some());
        let words = vec![Word::Renew(TimerId(7)); WORDS_TOGETHER + 1];
        assert!(decode(encode(&words)).is_none());
        assert!(decode(Bytes::new()).is_none());
    }
}
