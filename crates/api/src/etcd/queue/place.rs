use bytes::Bytes;
use node::{AuthChanges, WatchMessage};
use proto::etcdserverpb as pb;
use state::response::EventKind;
use tonic::Status;
use types::{Code, KeyRange};

use super::door::Door;
use super::requests::{self, Line, header_of};
use crate::error;

/// A place in a line. Given up when dropped, unless [`Place::keep`] says otherwise: a client that goes
/// away while it waits must not hold up those behind it until its lease ends.
pub(in crate::etcd) struct Place {
    door: Door,
    line: Line,
    key: Bytes,
    /// The create revision of `key`: who has a lower one comes first.
    revision: i64,
    kept: bool,
}

/// A place was taken.
pub(in crate::etcd) struct Taken {
    pub(in crate::etcd) place: Place,
    pub(in crate::etcd) header: pb::ResponseHeader,
    /// Whether it is the first of the line already.
    pub(in crate::etcd) is_first: bool,
    /// The value that was there, if this lease had the place before.
    pub(in crate::etcd) value: Option<Bytes>,
}

impl Place {
    /// Goes to the end of the line, or back to the place that `lease` already has.
    ///
    /// A client that goes away meanwhile may have its key in the line already: so this comes to its end
    /// in any case, and a place that nobody wants any more is given up.
    ///
    /// # Errors
    /// etcd's for a transaction that puts with a lease.
    pub(in crate::etcd) async fn take(
        door: Door,
        line: Line,
        value: Bytes,
        lease: i64,
    ) -> Result<Taken, Status> {
        let joined = tokio::spawn(Self::join(door, line, value, lease)).await;
        joined.unwrap_or_else(|error| Err(Status::internal(error.to_string())))
    }

    async fn join(door: Door, line: Line, value: Bytes, lease: i64) -> Result<Taken, Status> {
        let key = line.key(lease);
        // Twice is once: the second time finds its own key.
        let answer = door.txn_again(requests::join(&line, &key, value, lease)).await?;
        let header = header_of(answer.header)?;
        let own = if answer.succeeded { None } else { requests::found(&answer, 0) };
        let revision = own.map_or(header.revision, |own| own.create_revision);
        let first = requests::found(&answer, 1).map(|first| first.create_revision);
        let is_first = first.is_none_or(|first| first == revision);
        let value = own.map(|own| own.value.clone());
        let place = Self { door, line, key, revision, kept: false };
        Ok(Taken { place, header, is_first, value })
    }

    pub(in crate::etcd) fn key(&self) -> &Bytes {
        &self.key
    }

    pub(in crate::etcd) fn revision(&self) -> i64 {
        self.revision
    }

    /// The place stays when this is dropped, for as long as its lease does.
    pub(in crate::etcd) fn keep(mut self) {
        self.kept = true;
    }

    /// Waits until nobody stands before this place. `None`: the place is gone, because its lease ended
    /// or somebody deleted the key.
    ///
    /// It watches the own key and the one right before it, so that a key that goes wakes one waiter.
    pub(in crate::etcd) async fn wait(&self) -> Result<Option<pb::ResponseHeader>, Status> {
        let mut changes = self.door.auth_changes();
        loop {
            let look = requests::look(&self.line, &self.key, self.revision);
            let seen = self.door.txn_again(look).await?;
            let header = header_of(seen.header)?;
            if requests::found(&seen, 0).is_none_or(|own| own.create_revision != self.revision) {
                return Ok(None);
            }
            let Some(before) = requests::found(&seen, 1) else { return Ok(Some(header)) };
            self.until_one_goes(&before.key, header.revision, &mut changes).await?;
        }
    }

    /// Comes back when this place's key or the one before it was deleted after `revision`, or when that
    /// cannot be told any more and is to be looked at; with why not, if that may be looked at no more.
    async fn until_one_goes(
        &self,
        before: &Bytes,
        revision: i64,
        changes: &mut AuthChanges,
    ) -> Result<(), Status> {
        let keys = [&self.key, before].map(KeyRange::single);
        let (_control, mut messages) = self.door.watch(keys, revision + 1)?;
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = changes.next() => {
                    self.door.may_still_read(&KeyRange::single(&self.key))?;
                    continue;
                }
            };
            match message {
                Some(WatchMessage::Events { events, .. }) => {
                    if events.iter().any(|event| event.kind == EventKind::Delete) {
                        return Ok(());
                    }
                }
                Some(WatchMessage::Created { .. } | WatchMessage::Progress { .. }) => {}
                Some(WatchMessage::Canceled { fault: Some(fault), .. })
                    if fault.code != Code::Compacted =>
                {
                    return Err(error::status(&fault));
                }
                Some(WatchMessage::Canceled { .. }) => return Ok(()),
                None => return Err(error::status_of(Code::ShuttingDown)),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let (door, leave) = (self.door.clone(), requests::leave(&self.key, self.revision));
        // As many at once as waited, each for one request's time. Without a runtime the node is gone.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(status) = door.txn_again(leave).await {
                    tracing::debug!(%status, "a place in a line stays until its lease ends");
                }
            });
        }
    }
}
