use bytes::Bytes;
use configuration::gray::{Client, choose};
use configuration::record::{Head, decode};
use configuration::{Name, key};
use futures::FutureExt;
use futures::stream::{self, BoxStream, StreamExt};
use node::{AuthChanges, Consistency, WatchControl, WatchMessage, WatchMessages};
use proto::hiraeth::v1 as pb;
use state::response::EventKind;
use tonic::Status;
use types::{Code, Fault, KeyRange, Revision};

use super::convert;
use super::door::Door;
use crate::error;

/// What a client is told.
pub(super) type Told = BoxStream<'static, Result<pb::WatchConfigResponse, Status>>;

/// One client that follows a configuration. It follows the head, which says all there is to choose from;
/// the content is read when it is sent. So of many changes a slow client is told the last, and nothing waits
/// for it but that.
struct Following {
    door: Door,
    name: Name,
    client: Client,
    changes: AuthChanges,
    watch: (WatchControl, WatchMessages),
    head: Option<Head>,
    /// When that was written.
    changed: Revision,
    /// As of when it is so.
    revision: Revision,
    /// What the client has, if anything was told: a version with its digest, or that there is none.
    told: Option<Option<(u64, Bytes)>>,
    /// Whether the head is another one than what was told comes from.
    is_new: bool,
    /// Whether the client would rather ask another node than hear nothing of what happens.
    requires_leader: bool,
}

pub(super) async fn open(
    door: Door,
    request: pb::WatchConfigRequest,
    requires_leader: bool,
) -> Result<Told, Fault> {
    let name = convert::name(request.name.as_ref())?;
    let client = convert::client(request.client)?;
    let changes = door.auth_changes();
    door.may_follow(&ranges(&name)).await?;
    let (base, as_of) = door.look(&name, Consistency::Linearizable).await?;
    let told =
        (request.known_version > 0).then_some(Some((request.known_version, request.known_digest)));
    let following = Following {
        watch: door.follow(&key::head(&name), as_of)?,
        changes,
        head: base.head,
        changed: base.revision,
        revision: as_of,
        is_new: true,
        door,
        name,
        client,
        told,
        requires_leader,
    };
    // An error is the stream's last word.
    let told = stream::unfold(Some(following), |following| async {
        let mut following = following?;
        let next = following.next().await.transpose()?;
        let following = next.is_ok().then_some(following);
        Some((next.map_err(|fault| error::status(&fault)), following))
    });
    Ok(told.boxed())
}

/// What it is told of.
fn ranges(name: &Name) -> [KeyRange; 2] {
    let [_, contents] = key::versions(name);
    [KeyRange::single(&key::head(name)), contents]
}

impl Following {
    /// What is to be told next; `None` when the node stops.
    async fn next(&mut self) -> Result<Option<pb::WatchConfigResponse>, Fault> {
        loop {
            if std::mem::take(&mut self.is_new)
                && let Some(answer) = self.look().await?
            {
                return Ok(Some(answer));
            }
            let messages = &mut self.watch.1;
            tokio::select! {
                biased;
                () = self.changes.next() => self.door.may_still_follow(&ranges(&self.name))?,
                () = self.door.closing() => return Ok(None),
                () = self.door.leader_lost(), if self.requires_leader => {
                    return Err(Code::NoLeader.into());
                }
                message = messages.next() => {
                    let mut message = message;
                    // What is here already is newer still.
                    loop {
                        self.take(message).await?;
                        match self.watch.1.next().now_or_never() {
                            Some(next) => message = next,
                            None => break,
                        }
                    }
                }
            }
        }
    }

    async fn take(&mut self, message: Option<WatchMessage>) -> Result<(), Fault> {
        match message {
            None => return Err(Code::ShuttingDown.into()),
            Some(WatchMessage::Events { events, .. }) => {
                let Some(event) = events.last() else { return Ok(()) };
                (self.changed, self.revision) = (event.kv.mod_revision, event.kv.mod_revision);
                self.head = match event.kind {
                    EventKind::Put => Some(decode(&event.kv.key, &event.kv.value)?),
                    EventKind::Delete => None,
                };
                self.is_new = true;
            }
            Some(WatchMessage::Canceled { fault: Some(fault), .. })
                if fault.code == Code::Compacted =>
            {
                // What happened since is not known any more; what is now, is.
                let (base, as_of) = self.door.look(&self.name, Consistency::Linearizable).await?;
                self.watch = self.door.follow(&key::head(&self.name), as_of)?;
                (self.head, self.changed) = (base.head, base.revision);
                (self.revision, self.is_new) = (as_of, true);
            }
            Some(WatchMessage::Canceled { fault, .. }) => {
                return Err(fault.unwrap_or_else(|| Code::ShuttingDown.into()));
            }
            Some(WatchMessage::Created { .. } | WatchMessage::Progress { .. }) => {}
        }
        Ok(())
    }

    /// What the client gets, if it is something else than it was told.
    async fn look(&mut self) -> Result<Option<pb::WatchConfigResponse>, Fault> {
        let revision = self.revision.get();
        let Some(head) = &self.head else {
            let is_told = self.told == Some(None);
            self.told = Some(None);
            let answer = pb::WatchConfigResponse { value: None, revision };
            return Ok((!is_told).then_some(answer));
        };
        let Some((meta, gray)) = choose(&self.name, head, &self.client) else { return Ok(None) };
        let now = Some((meta.version, meta.digest.clone()));
        if self.told.as_ref() == Some(&now) {
            return Ok(None);
        }
        // It may have been dropped since: then another head is on its way.
        let Some(content) = self.door.content(&self.name, meta.version).await? else {
            return Ok(None);
        };
        let version = Some(convert::version(meta));
        self.told = Some(now);
        let changed = self.changed.get();
        let value = Some(pb::GetConfigResponse { version, content, gray, revision: changed });
        Ok(Some(pb::WatchConfigResponse { value, revision }))
    }
}
