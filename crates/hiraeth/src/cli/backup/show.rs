//! What is in a backup, for people and for programs.

use std::io::Write;

use node::backup::{Contents, KeyspaceFound};
use serde::Serialize;

use super::super::output::{Format, line, out};
use super::super::size;
use super::super::table::Table;

#[derive(Serialize)]
struct JsonContents<'a> {
    from: &'a str,
    made_by: &'a str,
    at_ms: u64,
    since: Option<&'a str>,
    sections: u64,
    records: u64,
    hash: &'a str,
    users: usize,
    roles: usize,
    auth: bool,
    keyspaces: Vec<JsonKeyspace<'a>>,
}

#[derive(Serialize)]
struct JsonKeyspace<'a> {
    id: u32,
    name: &'a str,
    kind: &'a str,
    since: Option<i64>,
    revision: i64,
    compacted: i64,
    versions: u64,
    tombstones: u64,
    leases: u64,
    records: u64,
    bytes: u64,
    stayed: u64,
    regions: usize,
}

fn kind(keyspace: &KeyspaceFound) -> &str {
    keyspace.machine.as_deref().unwrap_or("ordered")
}

/// The revision the backup before has it at; none where all of it is here.
fn since(keyspace: &KeyspaceFound) -> Option<i64> {
    let ordered = keyspace.since.map(|since| since.revision);
    ordered.or_else(|| keyspace.shares.iter().filter_map(|share| share.since).max())
}

pub(super) fn contents(format: Format, contents: &Contents) -> anyhow::Result<()> {
    let mut out = out();
    match format {
        Format::Json => line(&mut out, &json(contents))?,
        Format::Table => {
            let Contents { begin, end, cluster, directory, keyspaces, .. } = contents;
            let from = if cluster.is_empty() { "nobody's cluster" } else { cluster };
            let of = match (directory.is_some(), &begin.since) {
                (true, None) => "all of it",
                (true, Some(_)) => "what came since",
                (false, None) => "one keyspace",
                (false, Some(_)) => "what came since to one keyspace",
            };
            writeln!(out, "whole: {of}, from {from}, by {}", begin.made_by)?;
            writeln!(out, "checksum {}, {} records", end.hash, end.records)?;
            if let Some(since) = &begin.since {
                writeln!(out, "since the one with the checksum {}", since.hash)?;
            }
            if let Some(directory) = directory {
                let auth = &directory.auth;
                let on = if auth.enabled { "on" } else { "off" };
                let (users, roles) = (auth.users.len(), auth.roles.len());
                writeln!(out, "{users} users, {roles} roles, auth is {on}")?;
            }
            writeln!(out)?;
            let mut table = Table::new(&[
                "ID",
                "NAME",
                "KIND",
                "SINCE",
                "REVISION",
                "COMPACTED",
                "VERSIONS",
                "DELETED",
                "LEASES",
                "BYTES",
            ]);
            for it in keyspaces {
                table.row([
                    it.id.to_string(),
                    it.name.clone(),
                    kind(it).to_owned(),
                    since(it).map_or_else(|| "-".to_owned(), |since| since.to_string()),
                    it.revision.to_string(),
                    it.compacted.to_string(),
                    it.versions.to_string(),
                    it.tombstones.to_string(),
                    it.leases.to_string(),
                    size::bytes(it.bytes),
                ]);
            }
            table.print(&mut out)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn json(contents: &Contents) -> JsonContents<'_> {
    let auth = contents.directory.as_ref().map(|directory| &directory.auth);
    let keyspaces = contents.keyspaces.iter().map(|it| JsonKeyspace {
        id: it.id.get(),
        name: &it.name,
        kind: kind(it),
        since: since(it),
        revision: it.revision,
        compacted: it.compacted,
        versions: it.versions,
        tombstones: it.tombstones,
        leases: it.leases,
        records: it.records,
        bytes: it.bytes,
        stayed: it.stayed,
        regions: it.shares.len().max(1),
    });
    JsonContents {
        from: &contents.cluster,
        made_by: &contents.begin.made_by,
        at_ms: contents.begin.at_ms,
        since: contents.begin.since.as_ref().map(|since| since.hash.as_str()),
        sections: contents.end.sections,
        records: contents.end.records,
        hash: &contents.end.hash,
        users: auth.map_or(0, |auth| auth.users.len()),
        roles: auth.map_or(0, |auth| auth.roles.len()),
        auth: auth.is_some_and(|auth| auth.enabled),
        keyspaces: keyspaces.collect(),
    }
}
