//! `hiraeth admin backup`, `admin restore` and `hiraeth restore`: what a cluster has in a file, and back.

mod base;
mod file;
mod into;
mod restore;
mod show;
mod take;
mod target;

pub(super) use file::Unfinished;
pub(super) use into::{Into, into, look, put_into};
pub(super) use restore::{Arguments as RestoreArguments, run as restore};
pub(super) use target::Target;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use node::backup::{Chain, Contents, Open, Restored, Source};

use super::failure::{Done, EXIT_CODES};
use super::remote::Remote;

/// Back up the cluster, or with `--keyspace` one keyspace of it, while it serves. In the backup is all that
/// was acknowledged before it was begun. Each keyspace is as of one revision, a sharded one as of one moment
/// in each of its regions; nothing is promised of moments between keyspaces, or between regions.
///
/// With `--since` only what came since an earlier backup of the same is written, full or such a one itself:
/// `hiraeth restore` and `admin restore` take the full one and all behind it, in their order.
///
/// JSON: `{from, made_by, at_ms, since, sections, records, hash, users, roles, auth, keyspaces: [{id, name,
/// kind, since, revision, compacted, versions, tombstones, leases, records, bytes, stayed, regions}]}`. The
/// first `since` is the earlier backup's checksum, the other the revision it has the keyspace at.
#[derive(clap::Args)]
#[command(
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = EXIT_CODES
)]
pub(super) struct Arguments {
    /// The file to be written. It must not be there; until all of it is durable it has another name.
    #[arg(long, value_name = "FILE", required = true)]
    out: Option<PathBuf>,
    /// Write only what came since this backup. It is read from end to end.
    #[arg(long, value_name = "BASE")]
    since: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Read a backup from end to end, and say whether it is whole and what is in it. Of several, a full one
    /// and all behind it in the order they were taken, say whether they fit, and what is in the full backup
    /// they are read as.
    #[command(visible_alias = "inspect", after_help = VERIFY_EXIT_CODES)]
    Verify {
        /// The backup; again for each that holds what came since the one before.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

const VERIFY_EXIT_CODES: &str = "\
Exit codes:
  0  it is whole; of several, they fit
  1  it is damaged, not whole, of another version or no backup, it cannot be read, or one does not go on
     from the one before
  2  the command line is wrong";

pub(super) async fn run(arguments: Arguments, remote: &Remote) -> anyhow::Result<Done> {
    if let Some(Command::Verify { files }) = arguments.command {
        let found = match files.as_slice() {
            // One alone may be any of a chain.
            [file] => contents(file)?,
            files => chain(files)?.contents()?,
        };
        show::contents(remote.output, &found)?;
        return Ok(Done::Well);
    }
    let out = arguments.out.context("say where to write it: --out FILE")?;
    take::take(remote, &out, arguments.since.as_deref()).await
}

/// Shows what is in a backup.
pub(super) fn show(remote: &Remote, file: &Path) -> anyhow::Result<()> {
    show::contents(remote.output, &contents(file)?)
}

/// Shows what was made of one.
pub(super) fn show_made(remote: &Remote, made: &Restored, target: &Target) -> anyhow::Result<()> {
    restore::show(remote.output, made, target)
}

/// A backup's file, to be read once.
fn open(path: &Path) -> std::io::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 20, File::open(path)?))
}

/// A full backup, and those that go on from there, each of which is whole.
pub(super) fn chain(paths: &[PathBuf]) -> Result<Chain, node::backup::Error> {
    let file = |path: &PathBuf| {
        let (name, path) = (path.display().to_string(), path.clone());
        let open: Open = Box::new(move || Ok(Box::new(File::open(&path)?) as Box<dyn Source>));
        node::backup::File { name, open }
    };
    Chain::open(paths.iter().map(file).collect())
}

/// What is in a backup that is whole.
pub(super) fn contents(path: &Path) -> anyhow::Result<Contents> {
    let name = path.display();
    let input = open(path).with_context(|| format!("{name} cannot be opened"))?;
    Contents::read(input, &mut |_, _, _| Ok(())).with_context(|| name.to_string())
}
