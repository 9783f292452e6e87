use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use types::{ClusterId, Code, Fault};

use super::call::{self, Answered};
use super::core::Core;
use super::error::Error;
use super::transport::Transport;
use crate::identity::InitialCluster;

/// How a node starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// It was of this cluster before.
    Restart(ClusterId),
    /// The cluster was formed already, with this node on its list; the id is stored.
    Join(ClusterId),
    /// Nobody has a cluster yet, and enough of its nodes are there to form it.
    Form,
}

/// The pause between two rounds of questions.
const ROUND: Duration = Duration::from_millis(100);

/// Waits until this node may start. With no cluster of its own it asks every initial member until
/// `quorum` of them (default: a majority; this node counts) took each other. One that has a cluster
/// decides for all: a second one is never formed beside it. When the quorum is there but not
/// everybody, a last full round gives the others a chance to say that they have a cluster.
///
/// # Errors
/// [`Error::DataGone`], [`Error::NotMember`], [`Error::Identity`], [`Error::ShuttingDown`].
pub async fn wait_for_quorum(
    transport: &Transport,
    initial: &InitialCluster,
    quorum: Option<usize>,
) -> Result<Start, Error> {
    let core = &transport.core;
    if let Some(cluster) = core.identity.cluster() {
        return Ok(Start::Restart(cluster));
    }
    let all = initial.members().len();
    let quorum = quorum.unwrap_or(initial.majority()).clamp(1, all);
    let mut progress = String::new();
    let mut quorum_before = false;
    loop {
        let round = ask_all(core, initial);
        let missing = tokio::select! {
            biased;
            () = core.stopped() => return Err(Error::ShuttingDown),
            round = round => match round? {
                Round::Formed(cluster) => return join(core, cluster).await,
                Round::Missing(missing) => missing,
            },
        };
        let there = all - missing.len();
        if missing.is_empty() || (there >= quorum && quorum_before) {
            return Ok(Start::Form);
        }
        quorum_before = there >= quorum;
        if !quorum_before {
            tell(&mut progress, quorum - there, &missing);
        }
        tokio::select! {
            biased;
            () = core.stopped() => return Err(Error::ShuttingDown),
            () = sleep(ROUND) => {}
        }
    }
}

/// Logs what is waited for when it changed.
fn tell(progress: &mut String, wanted: usize, missing: &BTreeMap<String, String>) {
    let list: Vec<_> = missing.iter().map(|(member, why)| format!("{member} ({why})")).collect();
    let text = format!("waiting for {wanted} of {} peers: {}", missing.len(), list.join(", "));
    if text != *progress {
        tracing::info!("{text}");
        *progress = text;
    }
}

/// What one round of questions brought.
enum Round {
    /// A member has a cluster, and takes this node.
    Formed(ClusterId),
    /// Nobody has; these members, with their addresses, do not count yet, for these reasons.
    Missing(BTreeMap<String, String>),
}

async fn ask_all(core: &Arc<Core>, initial: &InitialCluster) -> Result<Round, Error> {
    let others = initial.members().iter().filter(|(name, _)| name != core.identity.name());
    let answers = join_all(others.map(async |(name, address)| {
        let answer = ask(core, address).await;
        (name, address, answer)
    }))
    .await;
    let mut missing = BTreeMap::new();
    let mut formed = None;
    for (name, address, answer) in answers {
        match answer.and_then(|answered| weigh(core, name, answered)) {
            Ok(Some(cluster)) => formed = Some(cluster),
            Ok(None) => {}
            Err(Verdict::Wait(why)) => {
                missing.insert(format!("{name} at {address}"), why);
            }
            Err(Verdict::Fatal(error)) => return Err(error),
        }
    }
    Ok(formed.map_or(Round::Missing(missing), Round::Formed))
}

/// Why a member does not count.
enum Verdict {
    /// It may later.
    Wait(String),
    /// It never will.
    Fatal(Error),
}

async fn ask(core: &Arc<Core>, address: &str) -> Result<Answered, Verdict> {
    let wait = |fault: Fault| Verdict::Wait(fault.to_string());
    let mut client = call::connect(core, address).await.map_err(wait)?;
    call::hello(core, &mut client, None).await.map_err(wait)
}

/// The member's cluster, if it has one; `None` if it waits as this node does.
fn weigh(core: &Core, name: &str, answered: Answered) -> Result<Option<ClusterId>, Verdict> {
    let Answered { hello, refusal } = answered;
    if hello.name != name {
        return Err(Verdict::Wait(format!("there is {hello}")));
    }
    if let Some(fault) = refusal {
        let (own, by) = (core.identity.name().to_owned(), hello.to_string());
        let detail = fault.to_string();
        core.warnings.warn(&format!("refused by {by}"), &detail);
        return Err(match fault.code {
            Code::Corrupt => Verdict::Fatal(Error::DataGone { name: own, by, detail }),
            Code::MemberNotFound | Code::MemberRemoved if hello.bootstrapped => {
                Verdict::Fatal(Error::NotMember { name: own, by, detail })
            }
            _ => Verdict::Wait(format!("it refuses: {detail}")),
        });
    }
    core.judge(&hello).map_err(|fault| Verdict::Wait(fault.to_string()))?;
    Ok(hello.cluster)
}

async fn join(core: &Arc<Core>, cluster: ClusterId) -> Result<Start, Error> {
    let identity = core.identity.clone();
    match spawn_blocking(move || identity.set_cluster(cluster)).await {
        Ok(stored) => stored?,
        Err(_) => return Err(Error::ShuttingDown),
    }
    tracing::info!("joining cluster {cluster}");
    Ok(Start::Join(cluster))
}
