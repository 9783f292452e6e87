//! `hiraeth admin restore`: the keys of a backup's keyspace, into a keyspace of a cluster that serves.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use bytes::Bytes;
use client::{Client, Get, Put};
use node::backup::{Chain, Error, KeyspaceFound, Section};
use node::state::beginning::{self, Item};
use node::state::response::{KeyValue, Position};
use serde::Serialize;
use types::Code;

use super::super::failure::{Done, EXIT_CODES, Usage};
use super::super::output::{Format, line, out};
use super::super::remote::Remote;

/// Writes under way, and bytes of them, before they are sent.
const WRITES: usize = 2_000;
const BYTES: usize = 8 << 20;

/// Put the newest version of each key of a backup into a keyspace that is empty, with their leases. They are
/// written like any other: they get new revisions, and what was before them is not there.
///
/// JSON: `{keyspace, keys, leases}`.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(in super::super) struct Into {
    /// The backup; again for each that holds what came since the one before.
    #[arg(long, value_name = "FILE", required = true)]
    from: Vec<PathBuf>,
    /// The keyspace the keys are put into; `hiraeth keyspace create` makes one.
    #[arg(long, value_name = "KEYSPACE")]
    into: String,
    /// Whose keys [default: those of the backup's only keyspace, or of the one called as --into].
    #[arg(long, value_name = "KEYSPACE")]
    of: Option<String>,
    /// Write even where there are keys: those of the backup replace them, others stay.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    keyspace: &'a str,
    keys: u64,
    leases: usize,
}

pub(in super::super) async fn into(arguments: &Into, remote: &Remote) -> anyhow::Result<Done> {
    let Into { from, into, of, overwrite } = arguments;
    let found = look(from, of.as_deref().unwrap_or(into))?;
    put_into(remote, found, into, *overwrite).await
}

/// What is put where.
pub(in super::super) struct Found {
    backup: Chain,
    keyspace: KeyspaceFound,
    /// Positions of versions that others took the place of, in order.
    overtaken: Vec<Position>,
    leases: BTreeMap<i64, i64>,
}

/// Looks through the backup, which is whole if this answers.
pub(in super::super) fn look(from: &[PathBuf], wanted: &str) -> anyhow::Result<Found> {
    let mut overtaken: BTreeMap<u32, Vec<Position>> = BTreeMap::new();
    let mut leases: BTreeMap<u32, BTreeMap<i64, i64>> = BTreeMap::new();
    let backup = super::chain(from)?;
    let contents = backup.read(&mut |section, key, value| {
        let Section::Keyspace(section) = section else { return Ok(()) };
        match beginning::item(key, value)? {
            Item::Version(_, Some(before)) => {
                overtaken.entry(section.keyspace).or_default().push(before);
            }
            Item::Lease(id, ttl) => {
                leases.entry(section.keyspace).or_default().insert(id.get(), ttl);
            }
            _ => {}
        }
        Ok(())
    })?;
    let only = (contents.keyspaces.len() == 1).then(|| contents.keyspaces.first()).flatten();
    let keyspace = contents.keyspace(wanted).or(only).cloned();
    let Some(keyspace) = keyspace else {
        let names: Vec<_> = contents.keyspaces.iter().map(|it| it.name.as_str()).collect();
        let names = names.join(", ");
        let text =
            format!("the backup has no keyspace {wanted:?}: say which with --of; it has {names}");
        return Err(Usage(text).into());
    };
    if let (Some(_), Some(machine)) = (keyspace.region, &keyspace.machine) {
        bail!(
            "the keyspace {:?} is kept by the machine {machine:?}, which keeps more than keys: `hiraeth \
             restore` brings all of it back in a new cluster; the registry alone goes by `/v1/snapshot`",
            keyspace.name
        );
    }
    let mut overtaken = overtaken.remove(&keyspace.id.get()).unwrap_or_default();
    overtaken.sort_unstable();
    let leases = leases.remove(&keyspace.id.get()).unwrap_or_default();
    Ok(Found { backup, keyspace, overtaken, leases })
}

pub(in super::super) async fn put_into(
    remote: &Remote,
    found: Found,
    into: &str,
    overwrite: bool,
) -> anyhow::Result<Done> {
    let client = remote.client()?.in_keyspace(into)?;
    check_target(&client, &found, into, overwrite).await?;
    for (id, ttl) in &found.leases {
        match client.grant_lease(*ttl, *id).await {
            Ok(_) => {}
            Err(error) if overwrite && error.code() == Some(Code::LeaseExists) => {}
            Err(error) => {
                let doing = format!("the lease {id:016x} could not be granted; no key was written");
                return Err(anyhow::Error::from(error).context(doing));
            }
        }
    }
    let leases = found.leases.len();
    let keys = write_all(&client, found).await?;
    let mut out = out();
    match remote.output {
        Format::Json => line(&mut out, &Json { keyspace: into, keys, leases })?,
        Format::Table => writeln!(out, "{keys} keys and {leases} leases were put into {into:?}")?,
    }
    out.flush()?;
    Ok(Done::Well)
}

async fn check_target(
    client: &Client,
    found: &Found,
    into: &str,
    overwrite: bool,
) -> anyhow::Result<()> {
    let all = client.keyspaces().await?;
    let Some(target) = all.iter().find(|keyspace| keyspace.name == into) else {
        let names: Vec<_> = all.iter().map(|keyspace| keyspace.name.as_str()).collect();
        let names = names.join(", ");
        let text = format!(
            "there is no keyspace {into:?} to put keys into: make it with `hiraeth keyspace create {into}`; \
             there are {names}"
        );
        return Err(Usage(text).into());
    };
    if target.sharded && !found.leases.is_empty() {
        bail!(
            "{into:?} is sharded and has no leases, and there are {} in the backup",
            found.leases.len()
        );
    }
    let there = client.get(Get::range(Bytes::from_static(&[0]), "").limit(1).keys_only()).await?;
    if !there.kvs.is_empty() && !overwrite {
        bail!(
            "{into:?} has keys already: give an empty keyspace, or --overwrite to write between them"
        );
    }
    Ok(())
}

/// Writes the newest version of each key, those written last at last.
async fn write_all(client: &Client, found: Found) -> anyhow::Result<u64> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<client::Write>>(2);
    let reading = tokio::task::spawn_blocking(move || read_newest(found, &sender));
    let mut written = 0_u64;
    while let Some(writes) = receiver.recv().await {
        for part in client.write_batch(writes).await {
            match part.outcome {
                Ok(_) => written += part.keys.len() as u64,
                Err(error) => {
                    let doing = format!(
                        "{written} keys were written, and then it failed; do it again with --overwrite"
                    );
                    return Err(anyhow::Error::from(error).context(doing));
                }
            }
        }
    }
    reading.await??;
    Ok(written)
}

fn read_newest(
    found: Found,
    sender: &tokio::sync::mpsc::Sender<Vec<client::Write>>,
) -> Result<(), Error> {
    let mut overtaken = found.overtaken.into_iter().peekable();
    let (mut writes, mut bytes) = (Vec::new(), 0);
    let gone = || Error::Io(std::io::Error::other("the writer has ended"));
    let mut add = |kv: KeyValue| {
        bytes += kv.key.len() + kv.value.len();
        writes.push(client::Write::Put(Put::new(kv.key, kv.value).lease(kv.lease.get())));
        if writes.len() < WRITES && bytes < BYTES {
            return Ok(());
        }
        bytes = 0;
        sender.blocking_send(std::mem::take(&mut writes)).map_err(|_| gone())
    };
    let id = found.keyspace.id.get();
    found.backup.read(&mut |section, key, value| {
        let of = match section {
            Section::Keyspace(section) => section.keyspace,
            Section::Share(section) => section.keyspace,
            _ => return Ok(()),
        };
        if of != id {
            return Ok(());
        }
        match beginning::item(key, value)? {
            Item::Version(version, _) => {
                while overtaken.next_if(|at| *at < version.position).is_some() {}
                match version.kv {
                    Some(kv) if overtaken.peek() != Some(&version.position) => add(kv),
                    _ => Ok(()),
                }
            }
            Item::Newest(kv) => add(kv),
            _ => Ok(()),
        }
    })?;
    if !writes.is_empty() {
        sender.blocking_send(writes).map_err(|_| gone())?;
    }
    Ok(())
}
