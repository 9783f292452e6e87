//! What is said to the leader's clock, and does not go through the log.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use state::registry::{CheckKey, Registries, Session, Status, TimerId};
use types::{Fault, KeyspaceId};

use super::super::Handle;
use crate::read;
use crate::registry::{Told, WORDS_TOGETHER, Word, say};

/// What came of a beat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beat {
    /// There is no such check, or it does not count time: whoever sent it has to register.
    Unknown,
    /// It counts, and nothing else is to be done.
    Counted,
    /// It counts, and the check stands like this now: to be proposed.
    Stands(Status),
}

impl From<Told> for Beat {
    fn from(told: Told) -> Self {
        match told {
            Told::No => Self::Unknown,
            told => told.status().map_or(Self::Counted, Self::Stands),
        }
    }
}

impl Handle {
    /// Says that a check was heard to stand like this. It does not go through the log; what it changes
    /// is for the caller to propose.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn beat(
        &self,
        keyspace: KeyspaceId,
        check: &CheckKey,
        status: Status,
    ) -> Result<Beat, Fault> {
        let shards = self.registry_shards(keyspace).await?;
        let find = |registry: Registries<'_>| registry.check_timer(check);
        let Some(timer) = self.surely(&shards, find).await? else { return Ok(Beat::Unknown) };
        let (part, timer) = timer.part();
        let Some(shard) = shards.get(part) else { return Ok(Beat::Unknown) };
        let told = say(&self.shared, shard, vec![Word::Beat(timer, status)]).await?;
        Ok(told.first().map_or(Beat::Unknown, |told| (*told).into()))
    }

    /// Beats by the numbers that deadlines are known by ([`Registries::check_timer`]), which are the same on
    /// every node and never used twice: all are heard to pass. Only the first
    /// [`Self::BEATS_TOGETHER`] are heard and answered.
    ///
    /// # Errors
    /// No leader, timeout; then any of them may count or not.
    pub async fn beats(&self, keyspace: KeyspaceId, timers: &[u64]) -> Result<Vec<Beat>, Fault> {
        let timers = &timers[..timers.len().min(Self::BEATS_TOGETHER)];
        let shards = self.registry_shards(keyspace).await?;
        if let [shard] = &*shards {
            let word = |timer: &u64| Word::Beat(TimerId(*timer), Status::Passing);
            let told = say(&self.shared, shard, timers.iter().map(word).collect()).await?;
            return Ok(told.into_iter().map(Beat::from).collect());
        }
        let mut words: Vec<(Vec<usize>, Vec<Word>)> = vec![Default::default(); shards.len()];
        for (at, timer) in timers.iter().enumerate() {
            let (part, timer) = TimerId(*timer).part();
            // Of a part that is not there, nobody hears anything.
            if let Some((places, words)) = words.get_mut(part) {
                places.push(at);
                words.push(Word::Beat(timer, Status::Passing));
            }
        }
        let said = shards.iter().zip(words).filter(|(_, (places, _))| !places.is_empty());
        let said = said.map(|(shard, (places, words))| async move {
            Ok::<_, Fault>((places, say(&self.shared, shard, words).await?))
        });
        let mut beats = vec![Beat::Unknown; timers.len()];
        for (places, told) in try_join_all(said).await? {
            for (place, told) in places.into_iter().zip(told) {
                beats[place] = told.into();
            }
        }
        Ok(beats)
    }

    /// Beats heard with one call.
    pub const BEATS_TOGETHER: usize = WORDS_TOGETHER;

    /// Renews a session on the leader's clock; `None` if it is not there, or its end is under way.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn renew_session(
        &self,
        keyspace: KeyspaceId,
        id: &str,
    ) -> Result<Option<Arc<Session>>, Fault> {
        let home = [self.registry_shard(keyspace).await?];
        let find = |registry: Registries<'_>| registry.session(id).value;
        let Some(session) = self.surely(&home, find).await? else { return Ok(None) };
        let [home] = home;
        if session.ttl_ms == 0 {
            // It does not end by time; whether it ended otherwise, a quorum knows.
            read::by_round(&self.shared, &home).await?;
            return Ok(self.ask_here(&[home], find)?.0);
        }
        let told = say(&self.shared, &home, vec![Word::Renew(session.timer)]).await?;
        Ok((told.first() == Some(&Told::Yes)).then_some(session))
    }

    /// Whether a key was let go by a session that was lost a moment ago, so that nobody may lock it yet.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn lock_is_delayed(&self, keyspace: KeyspaceId, key: Bytes) -> Result<bool, Fault> {
        let home = self.registry_shard(keyspace).await?;
        let told = say(&self.shared, &home, vec![Word::Lock(key)]).await?;
        Ok(told.first() == Some(&Told::No))
    }
}
