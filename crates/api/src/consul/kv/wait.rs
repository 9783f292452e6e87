//! Reading keys, and waiting until they are other ones.

use std::time::Duration;

use node::{Consistency, WatchCreate, WatchMessage};
use state::request::RangeRequest;
use state::response::KeyValue;
use tokio::time::timeout;
use types::{Code, KeyRange, Revision};

use crate::consul::answer::Meta;
use crate::consul::asked::{Asked, shortened};
use crate::consul::parameters::Freshness;
use crate::consul::problem::Problem;

/// The keys of a range, and the index of that answer: of a single key that is there its own, so that it
/// can be compared with; else that of the keyspace. Waits, if asked to, until there is another answer than
/// that of the index the request names.
pub(super) async fn read(
    asked: &Asked,
    range: KeyRange,
    single: bool,
    keys_only: bool,
) -> Result<(Vec<KeyValue>, Meta), Problem> {
    let freshness = asked.parameters.freshness()?;
    let (index, wait) = (asked.parameters.index()?, asked.parameters.wait()?);
    let consistency = match freshness {
        Freshness::Stale => Consistency::Stale,
        Freshness::Default | Freshness::Consistent => Consistency::Linearizable,
    };
    let request = RangeRequest { range, keys_only, ..RangeRequest::default() };
    let (kvs, found) = once(asked, &request, consistency, single).await?;
    let known_leader = asked.handle().has_leader(asked.keyspace);
    let age = asked.age(freshness)?;
    let meta = Meta { index: found, age, known_leader, freshness };
    let after = Revision(i64::try_from(index).unwrap_or(i64::MAX));
    let newer = kvs.iter().any(|kv| kv.mod_revision > after);
    if index == 0 || newer {
        return Ok((kvs, meta));
    }
    if !changed(asked, &request.range, after, shortened(wait)).await? {
        // Nothing happened since: then this is still the index of the answer.
        return Ok((kvs, Meta { index: after, ..meta }));
    }
    // This node has it, or it would not have told.
    let (kvs, found) = once(asked, &request, Consistency::Stale, single).await?;
    Ok((kvs, Meta { index: found.max(after), age: asked.age(freshness)?, ..meta }))
}

async fn once(
    asked: &Asked,
    request: &RangeRequest,
    consistency: Consistency,
    single: bool,
) -> Result<(Vec<KeyValue>, Revision), Problem> {
    let answer = asked.caller().range(request.clone(), consistency).await?;
    let kvs = answer.body.kvs;
    let index = match kvs.first() {
        Some(kv) if single => kv.mod_revision,
        _ => answer.header.revision,
    };
    Ok((kvs, index))
}

/// Whether anything happened in a range after a revision, or does so in time. Where that cannot be known
/// any more, it did.
async fn changed(
    asked: &Asked,
    range: &KeyRange,
    after: Revision,
    wait: Duration,
) -> Result<bool, Problem> {
    asked.caller().permit_watch(range).await?;
    let (control, mut messages) = asked.handle().watch(asked.keyspace)?;
    let create = WatchCreate {
        range: range.clone(),
        start: Revision(after.get().saturating_add(1)),
        ..WatchCreate::default()
    };
    control.create(create)?;
    let event = async {
        loop {
            match messages.next().await {
                Some(WatchMessage::Events { .. }) => return Ok(true),
                Some(WatchMessage::Canceled { fault: Some(fault), .. }) => {
                    return match fault.code {
                        Code::Compacted => Ok(true),
                        _ => Err(Problem::from(fault)),
                    };
                }
                Some(_) => {}
                // The node stops: what it has is the last it says.
                None => return Ok(false),
            }
        }
    };
    timeout(wait, event).await.unwrap_or(Ok(false))
}
