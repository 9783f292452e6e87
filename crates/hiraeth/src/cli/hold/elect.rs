use std::ffi::OsString;

use client::Lock;

use super::super::failure::Done;
use super::super::remote::Remote;
use super::EXIT_CODES;
use super::lock::Limits;
use super::while_held::{Hold, while_held};

/// Run a command while this one leads an election. The others wait, and the next leads when this one's
/// command ends or it is lost. Who leads can be read: `etcdctl elect --listen NAME` shows its value.
/// etcdctl's elections of the same name are the same elections.
///
/// In the command's environment are HIRAETH_FENCING_TOKEN, a number that is higher for every later leader,
/// and HIRAETH_LOCK_KEY, the key that exists as long as it leads and has the value.
///
/// Example: hiraeth elect scheduler "$HOSTNAME" -- /usr/local/bin/scheduler
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES, verbatim_doc_comment)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    /// The election.
    name: String,
    /// What others read of who leads.
    value: String,
    #[command(flatten)]
    limits: Limits,
    /// The command, and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(in super::super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let Arguments { remote, name, value, limits, command } = arguments;
    let what = Lock::leader(name.clone(), value).ttl_seconds(limits.ttl);
    let hold = Hold { what, called: format!("leading {name:?}") };
    while_held(&remote.client()?, &hold, limits.wait, &command).await
}
