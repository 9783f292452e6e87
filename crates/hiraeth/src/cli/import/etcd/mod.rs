//! `hiraeth import etcd`: etcd 3's snapshot becomes a backup of ours, and that a data directory or keys of a
//! keyspace.

mod auth;
mod contents;
mod convert;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::super::backup::{self, Target, Unfinished};
use super::super::failure::{Done, EXIT_CODES, Usage};
use super::super::output;
use super::super::remote::Remote;
use super::bolt::Bolt;

/// Take over what an etcd keeps: `snapshot.db` as `etcdctl snapshot save` writes it, or the file
/// `member/snap/db` of one that is stopped, of etcd 3.4 to 3.6. Into a backup or a data directory go keys
/// with their revisions, versions and history, leases, users and roles; into a keyspace that is there, the
/// newest version of each key, with its lease.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
#[command(group(clap::ArgGroup::new("whereto").required(true).args(["out", "data_dir", "into"])))]
pub(super) struct Arguments {
    /// etcd's file.
    snapshot: PathBuf,
    /// Make a backup of it, for `hiraeth restore` and `hiraeth admin restore`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    target: Option<Target>,
    /// Put the keys into this keyspace of a cluster that serves.
    #[arg(long, value_name = "KEYSPACE")]
    into: Option<String>,
    /// Write even where there are keys.
    #[arg(long, requires = "into")]
    overwrite: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let Arguments { snapshot, out, target, into, overwrite, remote } = arguments;
    if let Some(out) = out {
        let done = to_backup(&snapshot, &out)?;
        backup::show(&remote, &out)?;
        return Ok(done);
    }
    if let Some(target) = target {
        let way = beside(&target.data_dir);
        let (unfinished, _) = Unfinished::begin(&way)?;
        let done = fill(&snapshot, &unfinished)?;
        let made = target.make(&backup::chain(&[unfinished.temporary().to_owned()])?)?;
        backup::show_made(&remote, &made, &target)?;
        return Ok(done);
    }
    let Some(into) = into else {
        return Err(Usage("say --out, --data-dir or --into".to_owned()).into());
    };
    let way = beside(&std::env::temp_dir().join(format!("hiraeth-{}", std::process::id())));
    let (unfinished, _) = Unfinished::begin(&way)?;
    fill(&snapshot, &unfinished)?;
    let found = backup::look(&[unfinished.temporary().to_owned()], convert::KEYSPACE)?;
    output::block_on(backup::put_into(&remote, found, &into, overwrite))
}

/// A name for what is needed on the way.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".import");
    path.with_file_name(name)
}

fn to_backup(snapshot: &Path, out: &Path) -> anyhow::Result<Done> {
    let (unfinished, _) = Unfinished::begin(out)?;
    let done = fill(snapshot, &unfinished)?;
    let written = unfinished.reopen()?;
    unfinished.finish(written)?;
    Ok(done)
}

/// Writes a backup of what etcd's file has.
fn fill(snapshot: &Path, into: &Unfinished) -> anyhow::Result<Done> {
    let name = snapshot.display();
    let bolt = Bolt::open(snapshot).with_context(|| name.to_string())?;
    let told = convert::convert(&bolt, into.anew()?).with_context(|| name.to_string())?;
    for line in told.hints() {
        eprintln!("hint: {line}");
    }
    Ok(Done::Well)
}
