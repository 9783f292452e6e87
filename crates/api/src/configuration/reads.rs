//! What is current, what was, and what differs.

use bytes::Bytes;
use configuration::gray::choose;
use configuration::plan::Base;
use configuration::record::{Head, Meta, Origin, Outcome, decode};
use configuration::{Name, diff, key};
use node::Consistency;
use proto::hiraeth::v1 as pb;
use state::request::RangeRequest;
use state::response::KeyValue;
use types::{Code, Fault, KeyRange};

use super::convert;
use super::door::{Door, aside, backwards, limit, page, refuse};

/// Keys that are no configurations, or places of such, which a list passes at most.
const FOREIGN: usize = 1_000;

pub(super) fn unknown(name: &Name) -> Fault {
    Fault::new(Code::ConfigUnknown, name.to_string())
}

pub(super) async fn get(
    door: &Door,
    request: pb::GetConfigRequest,
) -> Result<pb::GetConfigResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    let client = convert::client(request.client)?;
    let consistency = if request.stale { Consistency::Stale } else { Consistency::Linearizable };
    // A version can be dropped between two looks, if many are made meanwhile.
    for _ in 0..3 {
        let base = door.look(&name, consistency).await?.0;
        let head = base.head.as_ref().ok_or_else(|| unknown(&name))?;
        let Some((meta, gray)) = choose(&name, head, &client) else { break };
        if let Some(content) = door.content(&name, meta.version).await? {
            let (version, revision) = (Some(convert::version(meta)), base.revision.get());
            return Ok(pb::GetConfigResponse { version, content, gray, revision });
        }
    }
    Err(missing(&name))
}

fn missing(name: &Name) -> Fault {
    Fault::new(Code::Corrupt, format!("the content of {name} is missing"))
}

/// A version that is kept, with its content.
pub(super) async fn kept(door: &Door, base: &Base, version: u64) -> Result<(Meta, Bytes), Fault> {
    let name = &base.name;
    let head = base.head.as_ref().ok_or_else(|| unknown(name))?;
    if !head.keeps(version) {
        return Err(not_kept(name, head, version));
    }
    let (kv, _) = door.one(&key::meta(name, version), Consistency::Stale).await?;
    let (Some(kv), Some(content)) = (kv, door.content(name, version).await?) else {
        // Dropped since.
        return Err(not_kept(name, head, version));
    };
    Ok((decode(&kv.key, &kv.value)?, content))
}

fn not_kept(name: &Name, head: &Head, version: u64) -> Fault {
    let (oldest, last, stable) = (head.oldest, head.last, head.stable_version());
    let also = if stable < oldest { format!("{stable} and ") } else { String::new() };
    Fault::new(
        Code::VersionNotKept,
        format!("version {version} of {name}; kept are {also}{oldest} to {last}"),
    )
}

pub(super) async fn get_version(
    door: &Door,
    request: &pb::GetVersionRequest,
) -> Result<pb::GetVersionResponse, Fault> {
    let base = door.base(&convert::name(request.name.as_ref())?).await?;
    let (meta, content) = kept(door, &base, request.version).await?;
    Ok(pb::GetVersionResponse { version: Some(convert::version(&meta)), content })
}

pub(super) async fn history(
    door: &Door,
    request: &pb::HistoryRequest,
) -> Result<pb::HistoryResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    let base = door.base(&name).await?;
    let head = base.head.as_ref().ok_or_else(|| unknown(&name))?;
    let before = if request.before == 0 { u64::MAX } else { request.before };
    let range = backwards(key::metas(&name, 0, before), limit(request.limit));
    let (kvs, more, _) = door.range(range, Consistency::Stale).await?;
    let versions = kvs.iter().map(|kv| Ok(convert::version(&decode::<Meta>(&kv.key, &kv.value)?)));
    Ok(pb::HistoryResponse {
        versions: versions.collect::<Result<_, Fault>>()?,
        more,
        stable: head.stable_version(),
        gray: head.gray.as_ref().map_or(0, |gray| gray.version()),
        keep: head.keep,
    })
}

/// The version that everybody got before the one that everybody gets.
pub(super) async fn stable_before(door: &Door, base: &Base) -> Result<u64, Fault> {
    let name = &base.name;
    let head = base.head.as_ref().ok_or_else(|| unknown(name))?;
    let stable = head.stable_version();
    let range = backwards(key::metas(name, 0, stable), 0);
    let (kvs, ..) = door.range(range, Consistency::Stale).await?;
    for kv in kvs {
        let meta: Meta = decode(&kv.key, &kv.value)?;
        if meta.origin() != Origin::Gray || meta.outcome() == Outcome::Promoted {
            return Ok(meta.version);
        }
    }
    let told = format!("none that everybody got before version {stable} of {name}");
    Err(Fault::new(Code::VersionNotKept, told))
}

pub(super) async fn diff(
    door: &Door,
    request: &pb::DiffRequest,
) -> Result<pb::DiffResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    let base = door.base(&name).await?;
    let head = base.head.as_ref().ok_or_else(|| unknown(&name))?;
    let to = if request.to == 0 { head.stable_version() } else { request.to };
    let from = match request.from {
        0 => {
            let range = backwards(key::metas(&name, 0, to), 1);
            let (kvs, ..) = door.range(range, Consistency::Stale).await?;
            let before = kvs.first().map(|kv| decode::<Meta>(&kv.key, &kv.value)).transpose()?;
            // The first one has nothing before it: all of it has come.
            before.map_or(0, |meta| meta.version)
        }
        from => from,
    };
    let old = match from {
        0 => Bytes::new(),
        from => kept(door, &base, from).await?.1,
    };
    let new = kept(door, &base, to).await?.1;
    let title = |version: u64| format!("{name} version {version}");
    let (before, after) = (title(from), title(to));
    let diff = aside(move || {
        let (old, new) = (String::from_utf8_lossy(&old), String::from_utf8_lossy(&new));
        Ok(diff::unified((&before, &old), (&after, &new)))
    })
    .await?;
    Ok(pb::DiffResponse { diff, from, to })
}

pub(super) async fn list(
    door: &Door,
    request: &pb::ListConfigsRequest,
) -> Result<pb::ListConfigsResponse, Fault> {
    let limit = limit(request.limit);
    let after = request.after.as_ref().map(|after| convert::name(Some(after))).transpose()?;
    let mut answer = pb::ListConfigsResponse::default();
    if !request.group.is_empty() {
        let (namespace, group) = (request.namespace.as_str(), request.group.as_str());
        let after = after.as_ref().map(Name::name);
        let heads = key::heads(namespace, group, &request.prefix, after)?;
        fill(door, &mut answer, heads, limit, Consistency::Linearizable).await?;
        return Ok(answer);
    }
    if !request.prefix.is_empty() {
        return refuse("the beginning of names is looked for in a group; say which");
    }
    let namespace = Some(request.namespace.as_str()).filter(|it| !it.is_empty());
    let all = key::all_of(namespace)?;
    // What is here by then is no older than the request; and whether all of it may be read is looked at.
    door.range(
        RangeRequest { count_only: true, ..page(all.clone(), 1) },
        Consistency::Linearizable,
    )
    .await?;
    let mut at = all.start.clone();
    if let Some(after) = &after {
        let behind = key::heads(after.namespace(), after.group(), "", Some(after.name()))?;
        fill(door, &mut answer, behind, limit, Consistency::Stale).await?;
        at = key::behind_group(after.namespace(), after.group()).max(at);
    }
    let mut foreign = 0;
    while !answer.more {
        // The first key of a group, then its heads, then behind the group: versions are not passed.
        let rest = KeyRange { start: at.clone(), end: all.end.clone() };
        let first = RangeRequest { keys_only: true, ..page(rest, 1) };
        let (kvs, ..) = door.range(first, Consistency::Stale).await?;
        let Some(kv) = kvs.first() else { break };
        let Some((namespace, group)) = key::group_of(&kv.key) else {
            foreign += 1;
            too_foreign(foreign, &kv.key)?;
            at = key::behind_foreign(&kv.key);
            continue;
        };
        at = key::behind_group(namespace, group);
        let heads = key::heads(namespace, group, "", None)?;
        if answer.configs.len() == limit {
            // Whether there are more is known once one is seen.
            let (kvs, ..) = door.range(page(heads, 1), Consistency::Stale).await?;
            answer.more = !kvs.is_empty();
            continue;
        }
        fill(door, &mut answer, heads, limit, Consistency::Stale).await?;
    }
    Ok(answer)
}

/// Adds the heads of a group, as far as there is room.
async fn fill(
    door: &Door,
    answer: &mut pb::ListConfigsResponse,
    mut heads: KeyRange,
    limit: usize,
    consistency: Consistency,
) -> Result<(), Fault> {
    let mut foreign = 0;
    loop {
        let room = limit - answer.configs.len();
        let (kvs, more, _) = door.range(page(heads.clone(), room), consistency).await?;
        let before = answer.configs.len();
        answer.configs.extend(kvs.iter().filter_map(|kv| info(door, kv)));
        answer.more = more;
        // What is no head makes room for one that is.
        foreign += before + kvs.len() - answer.configs.len();
        let Some(last) = kvs.last().filter(|_| more && answer.configs.len() < limit) else {
            return Ok(());
        };
        too_foreign(foreign, &last.key)?;
        heads.start = KeyRange::single(&last.key).end.unwrap_or_default();
    }
}

/// A list does not pass over any number of them.
fn too_foreign(foreign: usize, key: &Bytes) -> Result<(), Fault> {
    if foreign <= FOREIGN {
        return Ok(());
    }
    let key = String::from_utf8_lossy(key);
    let told = format!(
        "more than {FOREIGN} keys of the keyspace `config` are no configurations, as {key:?}; remove them, \
         or ask for a namespace or group without them"
    );
    Err(Fault::new(Code::LimitReached, told))
}

fn info(door: &Door, kv: &KeyValue) -> Option<pb::ConfigInfo> {
    let (name, head) = door.head_of(kv)?;
    Some(pb::ConfigInfo {
        name: Some(convert::told_name(&name)),
        stable: head.stable.as_ref().map(convert::version),
        gray: head.gray.and_then(|gray| gray.meta).as_ref().map(convert::version),
        revision: kv.mod_revision.get(),
    })
}
