//! Reading keys, and waiting until they are other ones.

use node::Consistency;
use state::request::RangeRequest;
use state::response::KeyValue;
use types::{KeyRange, Revision};

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
    let (kvs, found, newest) = once(asked, &request, consistency, single).await?;
    let known_leader = asked.handle().has_leader(asked.keyspace);
    let age = asked.age(freshness)?;
    let meta = Meta { index: found, age, known_leader, freshness };
    let after = Revision(i64::try_from(index).unwrap_or(i64::MAX));
    let newer = kvs.iter().any(|kv| kv.mod_revision > after);
    if index == 0 || newer {
        return Ok((kvs, meta));
    }
    if freshness != Freshness::Stale && after > newest {
        // From another life of the cluster: who waits with it would miss what happens.
        return Ok((kvs, meta));
    }
    asked.caller().permit_watch(&request.range).await?;
    if !asked.happens(asked.keyspace, request.range.clone(), after, shortened(wait)).await? {
        // Nothing happened since: then this is still the index of the answer.
        return Ok((kvs, Meta { index: after, ..meta }));
    }
    // This node has it, or it would not have told.
    let (kvs, found, _) = once(asked, &request, Consistency::Stale, single).await?;
    Ok((kvs, Meta { index: found.max(after), age: asked.age(freshness)?, ..meta }))
}

/// With the index of the answer, and the keyspace's newest revision.
async fn once(
    asked: &Asked,
    request: &RangeRequest,
    consistency: Consistency,
    single: bool,
) -> Result<(Vec<KeyValue>, Revision, Revision), Problem> {
    let answer = asked.caller().range(request.clone(), consistency).await?;
    let kvs = answer.body.kvs;
    let index = match kvs.first() {
        Some(kv) if single => kv.mod_revision,
        _ => answer.header.revision,
    };
    Ok((kvs, index, answer.header.revision))
}
