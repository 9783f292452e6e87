//! Whether one backup goes on where another one ends.

use types::RegionId;

use super::super::contents::{Contents, KeyspaceFound};
use super::super::error::Error;
use super::Layer;

/// A backup with its name.
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) contents: &'a Contents,
}

impl<'a> Named<'a> {
    pub(super) fn of(layer: &'a Layer) -> Self {
        Self { name: &layer.file.name, contents: &layer.contents }
    }
}

/// What is told of one that comes before the one it needs.
pub(super) fn order(name: &str, wanted: &str) -> Error {
    Error::Unfit(format!(
        "{name} holds what came since {wanted}: give {wanted} right before it. Backups are given in the \
         order they were taken"
    ))
}

/// Holds `now` against the one before it; `others` are what else was given.
pub(crate) fn check(
    before: &Named<'_>,
    now: &Named<'_>,
    others: &[Named<'_>],
) -> Result<(), Error> {
    let (name, older) = (now.name, before.name);
    let unfit = |why: String| Err(Error::Unfit(why));
    if others.iter().any(|other| other.contents.end.hash == now.contents.end.hash) {
        return unfit(format!("{name} is given twice: leave one of both out"));
    }
    let Some(since) = &now.contents.begin.since else {
        return unfit(format!(
            "{name} is a full backup and goes on from no other: give it first, or leave out it or those \
             before it"
        ));
    };
    if now.contents.cluster != before.contents.cluster {
        let (own, other) = (&now.contents.cluster, &before.contents.cluster);
        return unfit(format!(
            "{name} is of the cluster {own}, and {older} of the cluster {other}: give backups of one cluster"
        ));
    }
    if since.hash != before.contents.end.hash {
        let wanted = others.iter().find(|other| other.contents.end.hash == since.hash);
        return match wanted {
            Some(wanted) => Err(order(name, wanted.name)),
            None => unfit(format!(
                "{name} does not go on from {older}: it holds what came since the backup with the checksum \
                 {}, and {older} has the checksum {}. One between them is missing, or {older} is another \
                 one; `hiraeth admin backup verify` shows checksums",
                since.hash, before.contents.end.hash
            )),
        };
    }
    if now.contents.nodes.is_disjoint(&before.contents.nodes) {
        return unfit(format!(
            "{name} does not go on from {older}: the cluster was restored (or all its nodes replaced) since \
             {older} was taken. Take a full backup"
        ));
    }
    for found in now.contents.keyspaces.iter().filter(|found| found.is_partial()) {
        let Some(then) = before.contents.keyspace_of(found.id) else {
            return unfit(format!(
                "{name} holds what came to the keyspace {:?}, and {older} does not have that keyspace. Take \
                 a full backup",
                found.name
            ));
        };
        if let Some(why) = differs(then, found) {
            return unfit(format!(
                "{name} does not go on from {older} in the keyspace {:?}: {why}. Take a full backup",
                found.name
            ));
        }
    }
    Ok(())
}

/// What of a keyspace is not what the later one says of the earlier one.
fn differs(then: &KeyspaceFound, now: &KeyspaceFound) -> Option<String> {
    let kind = |found: &KeyspaceFound| (found.region.map(RegionId::get), found.machine.clone());
    if (kind(then), &then.name) != (kind(now), &now.name) {
        return Some("it is another keyspace there".to_owned());
    }
    for share in &now.shares {
        let mut older = then.shares.iter();
        let older = older.find(|older| older.range.contains(&share.range.start));
        let revision = older.map_or(0, |older| older.revision);
        if share.since.is_some_and(|since| since != revision) {
            return Some(format!(
                "its key {:?} is at revision {revision} there",
                share.range.start
            ));
        }
    }
    let since = now.since?.revision;
    (since != then.revision || now.revision < since || now.compacted < then.compacted).then(|| {
        format!(
            "it holds what came from revision {since} up to {}, and there it is at revision {}",
            now.revision, then.revision
        )
    })
}
