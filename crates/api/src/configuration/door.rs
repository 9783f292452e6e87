use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use configuration::key::Place;
use configuration::plan::Base;
use configuration::record::{Head, decode};
use configuration::{Name, key, limits};
use node::{AuthChanges, Caller, Consistency, Handle, WatchControl, WatchCreate, WatchMessages};
use state::auth::Demand;
use state::command::Command;
use state::request::{PutRequest, RangeRequest, SortOrder, TxnRequest};
use state::response::{KeyValue, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use types::{Code, Fault, KeyRange, KeyspaceId, Revision};

use crate::audit::Bearer;
use crate::metadata;

/// Contents that are looked at at once: that takes a processor.
static LOOKING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(2)));
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one client asks of configurations is asked of the keyspace in its name.
#[derive(Clone)]
pub(super) struct Door {
    handle: Handle,
    keyspace: KeyspaceId,
    sender: Bearer,
}

/// Does work that takes a processor, where it holds up nobody else.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    in_turn(&LOOKING, PATIENCE, work).await
}

async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    patience: Duration,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let turn = timeout(patience, Arc::clone(turns).acquire_owned()).await;
    let turn = turn.map_err(|_| Code::TooManyRequests)?.map_err(|_| Code::ShuttingDown)?;
    // The turn ends with the work, which goes on when nobody waits for it any more.
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    done.await.map_err(|_| Fault::new(Code::Internal, "looking at a content failed"))?
}

/// Refuses a request that makes no sense.
pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::new(Code::InvalidArgument, why))
}

impl Door {
    /// The door for whoever sent a request. The keyspace is made for whoever is let in: nothing can be
    /// granted in one that is not there.
    ///
    /// # Errors
    /// That it is not let in; as [`Handle::configuration_keyspace`].
    pub(super) async fn open(handle: &Handle, metadata: &MetadataMap) -> Result<Self, Fault> {
        let sender = metadata::bearer(metadata);
        handle.caller(KeyspaceId::DEFAULT, &sender).permit_alone(Demand::Anyone).await?;
        let keyspace = handle.configuration_keyspace().await?;
        Ok(Self { handle: handle.clone(), keyspace, sender })
    }

    fn caller(&self) -> Caller<'_, &Bearer> {
        self.handle.caller(self.keyspace, &self.sender)
    }

    /// Who asks; empty for nobody.
    pub(super) async fn user(&self) -> Result<String, Fault> {
        self.caller().user().await
    }

    /// Whether it may write what is at a key: asked before work is done for what is to be written there.
    pub(super) async fn may_write(&self, key: &Bytes) -> Result<(), Fault> {
        let put = PutRequest { key: key.clone(), ..PutRequest::default() };
        self.caller().permit(Demand::Command(&Command::Put(put))).await
    }

    /// A head among others; `None` for what somebody else put there: that must not stop the others.
    pub(super) fn head_of(&self, kv: &KeyValue) -> Option<(Name, Head)> {
        let Some((_, _, Place::Head(name))) = key::place(&kv.key) else { return None };
        match decode(&kv.key, &kv.value) {
            Ok(head) => Some((name, head)),
            Err(fault) => {
                if let Some(unsaid) = self.handle.say("configurations that cannot be read") {
                    tracing::warn!(%fault, unsaid, "a configuration cannot be read, and is passed over");
                }
                None
            }
        }
    }

    /// Milliseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.handle.wall_millis()
    }

    /// Some records, and the revision as of which they are.
    pub(super) async fn range(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<(Vec<KeyValue>, bool, Revision), Fault> {
        let answer = self.caller().range(request, consistency).await?;
        Ok((answer.body.kvs, answer.body.more, answer.header.revision))
    }

    /// One record.
    pub(super) async fn one(
        &self,
        key: &Bytes,
        consistency: Consistency,
    ) -> Result<(Option<KeyValue>, Revision), Fault> {
        let (kvs, _, revision) = self.range(page(KeyRange::single(key), 1), consistency).await?;
        Ok((kvs.into_iter().next(), revision))
    }

    /// A configuration as it is, and the revision as of which that is.
    pub(super) async fn look(
        &self,
        name: &Name,
        consistency: Consistency,
    ) -> Result<(Base, Revision), Fault> {
        let (kv, as_of) = self.one(&key::head(name), consistency).await?;
        let revision = kv.as_ref().map_or(Revision(0), |kv| kv.mod_revision);
        let head = kv.map(|kv| decode::<Head>(&kv.key, &kv.value)).transpose()?;
        Ok((Base { name: name.clone(), head, revision }, as_of))
    }

    /// A configuration as it is now.
    pub(super) async fn base(&self, name: &Name) -> Result<Base, Fault> {
        Ok(self.look(name, Consistency::Linearizable).await?.0)
    }

    /// The content of a version that is kept, by this node's copy, which knew of the version.
    pub(super) async fn content(&self, name: &Name, version: u64) -> Result<Option<Bytes>, Fault> {
        let (kv, _) = self.one(&key::content(name, version), Consistency::Stale).await?;
        Ok(kv.map(|kv| kv.value))
    }

    /// Makes a change, if what it compares is still so; answers the revision then.
    pub(super) async fn make(&self, txn: TxnRequest) -> Result<Option<Revision>, Fault> {
        let answer = self.caller().txn(txn, Consistency::Linearizable).await?;
        match answer.body {
            Response::Txn { succeeded, .. } => Ok(succeeded.then_some(answer.header.revision)),
            _ => Err(Fault::new(Code::Internal, "a transaction was asked for")),
        }
    }

    /// How many keys a range has, up to what is counted of reports.
    pub(super) async fn count(&self, range: KeyRange) -> Result<u32, Fault> {
        let request = RangeRequest { count_only: true, ..page(range, 0) };
        let count = self.caller().range(request, Consistency::Stale).await?.body.count;
        Ok(u32::try_from(count).map_or(limits::REPORTS, |count| count.min(limits::REPORTS)))
    }

    /// Follows a key from behind a revision on.
    pub(super) fn follow(
        &self,
        key: &Bytes,
        behind: Revision,
    ) -> Result<(WatchControl, WatchMessages), Fault> {
        let opened = self.handle.watch(self.keyspace)?;
        let start = Revision(behind.get() + 1);
        let range = KeyRange::single(key);
        opened.0.create(WatchCreate { range, start, ..WatchCreate::default() })?;
        Ok(opened)
    }

    /// Whether it may be told what is in ranges, now and from now on.
    pub(super) async fn may_follow(&self, ranges: &[KeyRange]) -> Result<(), Fault> {
        for range in ranges {
            self.caller().permit_watch(range).await?;
        }
        Ok(())
    }

    /// The same, of who could before: to be asked after [`Self::auth_changes`].
    pub(super) fn may_still_follow(&self, ranges: &[KeyRange]) -> Result<(), Fault> {
        let caller = self.caller();
        ranges.iter().try_for_each(|range| caller.permit_still(Demand::Range(range)))
    }

    /// Changes of users and rights.
    pub(super) fn auth_changes(&self) -> AuthChanges {
        self.handle.auth_changes()
    }

    /// That nobody is known to lead the configurations.
    pub(super) async fn leader_lost(&self) {
        self.handle.leader_lost(self.keyspace).await;
    }

    /// The node's end.
    pub(super) async fn closing(&self) {
        self.handle.closing().await;
    }
}

/// At most so many records of a range.
pub(super) fn page(range: KeyRange, limit: usize) -> RangeRequest {
    RangeRequest { range, limit: limit as u64, ..RangeRequest::default() }
}

/// The last ones first.
pub(super) fn backwards(range: KeyRange, limit: usize) -> RangeRequest {
    RangeRequest { sort_order: SortOrder::Descend, ..page(range, limit) }
}

/// How many of `asked` are answered at once.
pub(super) fn limit(asked: u32) -> usize {
    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
    if asked == 0 { limits::PAGE } else { asked.min(limits::PAGE) }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use tokio::sync::Semaphore;
    use tokio::time::timeout;
    use types::Code;

    use super::in_turn;

    /// Whoever hangs up while its work is done makes no room for the next one's.
    #[tokio::test]
    async fn work_that_goes_on_keeps_its_turn() {
        let (turns, soon) = (Arc::new(Semaphore::new(1)), Duration::from_millis(50));
        let (end, ended) = mpsc::channel::<()>();
        let work = in_turn(&turns, soon, move || {
            // An error is that the test has let go of it.
            let _ = ended.recv();
            Ok(())
        });
        assert!(timeout(soon, work).await.is_err());
        let next = in_turn(&turns, soon, || Ok(())).await;
        assert_eq!(next.unwrap_err().code, Code::TooManyRequests);
        drop(end);
        assert!(in_turn(&turns, Duration::from_secs(20), || Ok(())).await.is_ok());
    }
}
