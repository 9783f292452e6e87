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
    let Read { kvs, found, newest, filtered } = once(asked, &request, consistency, single).await?;
    let known_leader = asked.handle().has_leader(asked.keyspace);
    let age = asked.age(freshness)?;
    let meta = Meta { index: found, age, known_leader, freshness, filtered };
    let after = Revision(i64::try_from(index).unwrap_or(i64::MAX));
    let newer = kvs.iter().any(|kv| kv.mod_revision > after);
    if index == 0 || newer {
        return Ok((kvs, meta));
    }
    if freshness != Freshness::Stale && after > newest {
        // From another life of the cluster: who waits with it would miss what happens.
        return Ok((kvs, meta));
    }
    asked.caller().permit_wait(&request.range).await?;
    let may = || asked.caller().may_still_wait(&request.range);
    let range = request.range.clone();
    if !asked.happens(asked.keyspace, range, (after, shortened(wait)), may).await? {
        // Nothing happened since: then this is still the index of the answer.
        return Ok((kvs, Meta { index: after, ..meta }));
    }
    // This node has it, or it would not have told.
    let Read { kvs, found, filtered, .. } =
        once(asked, &request, Consistency::Stale, single).await?;
    Ok((kvs, Meta { index: found.max(after), age: asked.age(freshness)?, filtered, ..meta }))
}

/// Keys with the index of the answer, and the keyspace's newest revision.
struct Read {
    kvs: Vec<KeyValue>,
    found: Revision,
    newest: Revision,
    filtered: bool,
}

async fn once(
    asked: &Asked,
    request: &RangeRequest,
    consistency: Consistency,
    single: bool,
) -> Result<Read, Problem> {
    let (answer, filtered) = asked.caller().keys(request.clone(), consistency).await?;
    let kvs = answer.body.kvs;
    let newest = answer.header.revision;
    let found = match kvs.first() {
        Some(kv) if single => kv.mod_revision,
        _ => newest,
    };
    Ok(Read { kvs, found, newest, filtered })
}
