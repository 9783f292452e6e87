//! New versions that everybody gets.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use configuration::plan::{self, Base, Draft};
use configuration::record::{Head, digest};
use configuration::{Name, key};
use proto::hiraeth::v1 as pb;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use types::{Code, Fault};

use super::door::Door;
use super::{convert, reads, schemas};

/// How often a change is planned anew when somebody else was first.
pub(super) const TRIES: usize = 64;
/// How long a change waits for others of this node that are before it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Changes of one configuration that come to one node are made one after the other: of those that are made
/// at once, all but one would be planned anew. Correct it is without, too.
pub(super) struct Turns([Mutex<()>; 64]);

impl Turns {
    pub(super) fn new() -> Self {
        Self([const { Mutex::const_new(()) }; 64])
    }

    pub(super) async fn take(&self, name: &Name) -> Result<MutexGuard<'_, ()>, Fault> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let turn = &self.0[(hasher.finish() % self.0.len() as u64) as usize];
        timeout(PATIENCE, turn.lock()).await.map_err(|_| Code::TooManyRequests.into())
    }
}

/// What is to be released, by somebody who may.
pub(super) async fn draft(
    door: &Door,
    name: &Name,
    content: Option<pb::ConfigContent>,
) -> Result<Draft, Fault> {
    door.may_write(&key::head(name)).await?;
    let pb::ConfigContent { content, content_type, comment } = content.unwrap_or_default();
    let content_type = convert::content_type(content_type)?;
    let (author, at_ms) = (door.user().await?, door.now());
    Ok(Draft { content, content_type, author, comment, at_ms })
}

/// Whether everybody gets the version that was expected.
pub(super) fn expect(base: &Base, expected: Option<u64>) -> Result<(), Fault> {
    let is = base.head.as_ref().map_or(0, Head::stable_version);
    let Some(expected) = expected.filter(|expected| *expected != is) else { return Ok(()) };
    let name = &base.name;
    let what = |version| match version {
        0 => "not to be there".to_owned(),
        version => format!("at version {version}"),
    };
    let now = if is == 0 { "is not there".to_owned() } else { format!("is at version {is}") };
    let told = format!("{name} was expected {}, and {now}", what(expected));
    Err(Fault::new(Code::ConfigChanged, told))
}

pub(super) fn busy(name: &Name) -> Fault {
    Fault::new(Code::ConfigChanged, format!("{name} changes all the time; try again"))
}

pub(super) async fn release(
    door: &Door,
    turns: &Turns,
    request: pb::ReleaseRequest,
) -> Result<pb::ReleaseResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    let draft = draft(door, &name, request.content).await?;
    let _turn = turns.take(&name).await?;
    make(door, &name, &draft, 0, request.keep, request.expected).await
}

/// Makes a version of a draft, which goes back to version `of`, or to none.
async fn make(
    door: &Door,
    name: &Name,
    draft: &Draft,
    of: u64,
    keep: Option<u32>,
    expected: Option<u64>,
) -> Result<pb::ReleaseResponse, Fault> {
    for _ in 0..TRIES {
        let base = door.base(name).await?;
        expect(&base, expected)?;
        let guards = schemas::check(door, name, draft).await?;
        let planned = plan::release(&base, draft, of, keep, &guards)?;
        let stable = base.head.as_ref().and_then(|head| head.stable.as_ref());
        let is_same = stable.is_some_and(|stable| {
            stable.digest == digest(&draft.content) && stable.content_type() == draft.content_type
        });
        let keeps = base.head.as_ref().map(|head| head.keep);
        if let (Some(stable), true, true) = (stable, is_same, keeps == Some(planned.head.keep)) {
            let revision = base.revision.get();
            return Ok(pb::ReleaseResponse {
                version: Some(convert::version(stable)),
                unchanged: true,
                revision,
            });
        }
        if let Some(revision) = door.make(planned.txn).await? {
            let version = planned.head.stable.as_ref().map(convert::version);
            tracing::info!(%name, version = planned.head.stable_version(), by = draft.author, of, "released");
            return Ok(pb::ReleaseResponse { version, unchanged: false, revision: revision.get() });
        }
    }
    Err(busy(name))
}

pub(super) async fn rollback(
    door: &Door,
    turns: &Turns,
    request: pb::RollbackRequest,
) -> Result<pb::ReleaseResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    door.may_write(&key::head(&name)).await?;
    let _turn = turns.take(&name).await?;
    let base = door.base(&name).await?;
    expect(&base, request.expected)?;
    let to = match request.to {
        0 => reads::stable_before(door, &base).await?,
        to => to,
    };
    let (meta, content) = reads::kept(door, &base, to).await?;
    let (author, at_ms, comment) = (door.user().await?, door.now(), request.comment);
    let draft = Draft { content, content_type: meta.content_type(), author, comment, at_ms };
    // What was current when it was decided where to go back to.
    let expected = base.head.as_ref().map(Head::stable_version);
    make(door, &name, &draft, to, None, expected).await
}

pub(super) async fn delete(
    door: &Door,
    request: &pb::DeleteConfigRequest,
) -> Result<pb::DeleteConfigResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    let by = door.user().await?;
    for _ in 0..TRIES {
        let base = door.base(&name).await?;
        expect(&base, request.expected)?;
        if let Some(revision) = door.make(plan::delete_all(&base)?).await? {
            tracing::info!(%name, by, "a configuration is removed");
            return Ok(pb::DeleteConfigResponse { revision: revision.get() });
        }
    }
    Err(busy(&name))
}
