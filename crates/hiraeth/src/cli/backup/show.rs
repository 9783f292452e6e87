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
    revision: i64,
    compacted: i64,
    versions: u64,
    tombstones: u64,
    leases: u64,
    records: u64,
    bytes: u64,
    regions: usize,
}

fn kind(keyspace: &KeyspaceFound) -> &str {
    keyspace.machine.as_deref().unwrap_or("ordered")
}

pub(super) fn contents(format: Format, contents: &Contents) -> anyhow::Result<()> {
    let mut out = out();
    match format {
        Format::Json => line(&mut out, &json(contents))?,
        Format::Table => {
            let Contents { begin, end, cluster, directory, keyspaces } = contents;
            let from = if cluster.is_empty() { "nobody's cluster" } else { cluster };
            let of = if directory.is_some() { "all of it" } else { "one keyspace" };
            writeln!(out, "whole: {of}, from {from}, by {}", begin.made_by)?;
            writeln!(out, "checksum {}, {} records", end.hash, end.records)?;
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
        revision: it.revision,
        compacted: it.compacted,
        versions: it.versions,
        tombstones: it.tombstones,
        leases: it.leases,
        records: it.records,
        bytes: it.bytes,
        regions: it.shares.len().max(1),
    });
    JsonContents {
        from: &contents.cluster,
        made_by: &contents.begin.made_by,
        at_ms: contents.begin.at_ms,
        sections: contents.end.sections,
        records: contents.end.records,
        hash: &contents.end.hash,
        users: auth.map_or(0, |auth| auth.users.len()),
        roles: auth.map_or(0, |auth| auth.roles.len()),
        auth: auth.is_some_and(|auth| auth.enabled),
        keyspaces: keyspaces.collect(),
    }
}
