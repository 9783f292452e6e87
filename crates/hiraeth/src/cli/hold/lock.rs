use std::ffi::OsString;
use std::time::Duration;

use client::Lock;

use super::super::failure::Done;
use super::super::remote::{Remote, parse_time};
use super::EXIT_CODES;
use super::while_held::{Hold, while_held};

/// Run a command while a lock is held. Who asks first has it first. The command is begun once it is held,
/// and ended if it is lost; the lock is given back when the command ends. etcdctl's locks of the same name
/// are the same locks.
///
/// In the command's environment are HIRAETH_FENCING_TOKEN, a number that is higher for every later holder,
/// and HIRAETH_LOCK_KEY, the key that exists as long as it is held. A process that was paused may learn late
/// that another one holds the lock: what is written to should refuse lower tokens than it has seen, and a
/// transaction here can have "create(HIRAETH_LOCK_KEY) = HIRAETH_FENCING_TOKEN" among its comparisons.
///
/// Example: hiraeth lock backup --wait 1m -- /usr/local/bin/backup
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES, verbatim_doc_comment)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    /// The lock.
    name: String,
    /// With others who say so too, and nobody without it.
    #[arg(long, conflicts_with = "slots")]
    shared: bool,
    /// One of so many slots of a semaphore, 1 to 1000: so many hold it at a time. All must say the same.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    slots: Option<u32>,
    #[command(flatten)]
    limits: Limits,
    /// The command, and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// For how long it is waited, and kept.
#[derive(clap::Args)]
pub(super) struct Limits {
    /// How long to wait for it at most, such as 500ms, 10s or 1m [default: as long as it takes].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) wait: Option<Duration>,
    /// How long it stays with a holder that is gone, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(i64).range(1..=86_400))]
    pub(super) ttl: i64,
}

pub(in super::super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let Arguments { remote, name, shared, slots, limits, command } = arguments;
    let what = match (shared, slots) {
        (true, _) => Lock::shared(name.clone()),
        (false, Some(slots)) => Lock::slot(name.clone(), slots),
        (false, None) => Lock::exclusive(name.clone()),
    };
    let hold = Hold { what: what.ttl_seconds(limits.ttl), called: format!("the lock {name:?}") };
    while_held(&remote.client()?, &hold, limits.wait, &command).await
}
