//! `hiraeth admin node replace`.

mod step;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use client::native::{Liveness, NodeInfo, NodeStatusResponse};
use client::{Client, Error};
use types::Code;

use self::step::{Heard, Sight, Step};
use super::admin::label;
use super::failure::{Done, Usage};
use super::remote::{Remote, parse_time};

/// Between two looks at the cluster.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// A server of which nothing was heard for so long is not only starting again.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// Have another server take the place of one, that is there or dead.
///
/// The new one is added, somebody starts it with `hiraeth serve --join`, it gets all there is; the old one
/// gives its replicas away and is removed. A dead one is removed before the new one votes. Interrupted at
/// any moment, the same command goes on where it was; with `--go-on` once the new one has joined, as nothing
/// says any more what it came for. What it waits for is told on standard error.
///
/// JSON: as for `list`, the new server alone.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The server that is to go.
    old: String,
    /// Where the peers of the one that comes will reach it.
    #[arg(long, value_name = "HOST:PORT")]
    with: String,
    /// The server at that address is there already and came for this: go on with what an earlier run began.
    #[arg(long)]
    go_on: bool,
    /// Also while other servers that vote are not heard. Never without a majority.
    #[arg(long)]
    force: bool,
    /// How long to wait altogether; then exit code 5, and all goes on as far as it was begun.
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "60m")]
    within: Duration,
}

/// Answers the new server, once it has the place; `None` where that takes longer than it may.
pub(super) async fn run(
    arguments: &Arguments,
    remote: &Remote,
) -> anyhow::Result<Option<NodeInfo>> {
    let (client, began) = (remote.client()?, Instant::now());
    one_cluster(&client).await?;
    let mut told = String::new();
    let mut known = Known { is_known: arguments.go_on, ..Known::default() };
    loop {
        let looked = match client.any_node_status().await {
            Ok(status) => {
                let step = look(&status, arguments, &mut known)?;
                stays_reachable(&client, &status, known.old)?;
                tell(&mut told, words(&step, &status, arguments));
                if step == Step::Done {
                    return Ok(new_of(&status, &arguments.with).cloned());
                }
                take(&client, step, arguments, &mut known).await
            }
            Err(error) => Err(error),
        };
        match looked {
            Err(error) if !may_pass(&error) => return Err(error.into()),
            // It told already why it is not well.
            Err(error) => tell(&mut told, format!("not yet: {error}")),
            Ok(()) => {}
        }
        if began.elapsed() >= arguments.within {
            eprintln!("this takes longer than it may; the same command goes on with it");
            return Ok(None);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// How the run ended.
pub(super) fn ended(new: Option<&NodeInfo>) -> Done {
    if new.is_some() { Done::Well } else { Done::Code(5) }
}

/// What this run has learned.
#[derive(Default)]
struct Known {
    /// The number of the old one, once it was seen: a name may be another one's later.
    old: Option<u64>,
    /// Whether the old one does not vote.
    is_learner: bool,
    /// The new one, where this run added it.
    added: Option<u64>,
    /// Whether the new one came for this.
    is_known: bool,
    /// Whether this run marked the old one, and nothing came of it yet.
    has_marked: bool,
}

fn look(
    status: &NodeStatusResponse,
    arguments: &Arguments,
    known: &mut Known,
) -> Result<Step, Usage> {
    let name = &arguments.old;
    if known.old.is_none() {
        known.old = named(status, name)?;
    }
    let old = status.nodes.iter().find(|node| Some(node.id) == known.old);
    known.is_learner |= old.is_some_and(|old| old.learner);
    let new = new_of(status, &arguments.with);
    // Whoever was asked has not heard of it yet.
    if let (None, Some(new)) = (new, known.added) {
        return Ok(Step::AwaitJoin { new });
    }
    known.is_known |= new.is_some_and(|new| new.phase == "joining");
    let heard = old.map_or(Heard::Well, |old| heard(status, old.id));
    let (is_known, votes) = (known.is_known, !known.is_learner);
    let sight = Sight { old, heard, new, is_known, votes };
    step::next(&sight, name, &arguments.with).map_err(|usage| match (old, new) {
        (None, None) => {
            let names: Vec<_> = status.nodes.iter().map(label).collect();
            Usage(format!("{}; there are {}", usage.0, names.join(", ")))
        }
        _ => usage,
    })
}

/// The server that is meant by a name or a number, if it is one.
fn named(status: &NodeStatusResponse, name: &str) -> Result<Option<u64>, Usage> {
    let has_name = |node: &&NodeInfo| node.name == name;
    let by_name = status.nodes.iter().find(has_name).map(|node| node.id);
    let by_number = status.nodes.iter().find(|node| node.id.to_string() == name);
    match (by_name, by_number.map(|node| node.id)) {
        (Some(one), Some(other)) if one != other => Err(Usage(format!(
            "{name:?} is the name of server {one} and the number of another one: say {one} or that one's name"
        ))),
        (one, other) => Ok(one.or(other)),
    }
}

/// What the server that answered hears of another one.
fn heard(status: &NodeStatusResponse, node: u64) -> Heard {
    let seen = status.seen.iter().find(|seen| seen.node == node);
    match seen {
        Some(seen) if matches!(seen.state(), Liveness::Lost | Liveness::Never) => {
            match Duration::from_millis(seen.for_ms) >= LOST_AFTER {
                true => Heard::Lost,
                false => Heard::NotNow,
            }
        }
        _ => Heard::Well,
    }
}

fn new_of<'a>(status: &'a NodeStatusResponse, address: &str) -> Option<&'a NodeInfo> {
    status.nodes.iter().find(|node| node.peer_address == address)
}

async fn take(
    client: &Client,
    step: Step,
    arguments: &Arguments,
    known: &mut Known,
) -> Result<(), Error> {
    match step {
        Step::Add { old, is_marked } => {
            // Whoever looks sees that it is to go.
            if !is_marked {
                client.drain_node(old, true).await?;
                known.has_marked = true;
            }
            match client.replace_node(old, &arguments.with, arguments.force).await {
                Ok(new) => {
                    known.added = Some(new.id);
                    (known.is_known, known.has_marked) = (true, false);
                    Ok(())
                }
                Err(error) => {
                    if known.has_marked && !error.outcome_unknown() {
                        client.drain_node(old, false).await?;
                        known.has_marked = false;
                    }
                    Err(error)
                }
            }
        }
        Step::Promote { new } => match client.promote_node(new).await {
            // That it catches up was told.
            Err(error) if error.code() == Some(Code::LearnerNotReady) => Ok(()),
            done => done,
        },
        Step::Drain { old } => client.drain_node(old, true).await.map(drop),
        Step::Remove { old } => client.remove_node(old).await.map(drop),
        Step::AwaitJoin { .. }
        | Step::AwaitWord { .. }
        | Step::AwaitEmpty { .. }
        | Step::AwaitGone { .. }
        | Step::Done => Ok(()),
    }
}

/// Whether the same may go well in a moment. What a server refuses for the sake of the majority is for
/// people to decide.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::TimedOut { .. } | Error::Interrupted { .. } => true,
        _ => matches!(
            error.code(),
            Some(
                Code::NoLeader
                    | Code::NotLeader
                    | Code::LeaderChanged
                    | Code::Timeout
                    | Code::ShuttingDown
                    // It went meanwhile, which the next look shows.
                    | Code::MemberNotFound
                    | Code::MemberNotLearner
            )
        ),
    }
}

/// All endpoints that answer are of one cluster.
async fn one_cluster(client: &Client) -> anyhow::Result<()> {
    let mut clusters = BTreeSet::new();
    let mut told = Vec::new();
    for endpoint in client.endpoints() {
        if let Ok(status) = client.node_status(endpoint).await {
            told.push(format!("{endpoint} of {}", status.cluster));
            clusters.insert(status.cluster);
        }
    }
    if clusters.len() > 1 {
        return Err(Usage(format!(
            "the servers given are of several clusters: {}",
            told.join(", ")
        ))
        .into());
    }
    Ok(())
}

/// Somebody is asked who stays.
fn stays_reachable(
    client: &Client,
    status: &NodeStatusResponse,
    old: Option<u64>,
) -> Result<(), Usage> {
    let old = status.nodes.iter().find(|node| Some(node.id) == old);
    let Some(old) = old.filter(|node| !node.client_address.is_empty()) else { return Ok(()) };
    if client.endpoints().all(|endpoint| endpoint.ends_with(&old.client_address)) {
        let others = status.nodes.iter().filter(|node| node.id != old.id);
        let others: Vec<_> = others.map(|node| node.client_address.as_str()).collect();
        return Err(Usage(format!(
            "{} stops once it is removed, and no other server is given to ask: say --endpoints {}",
            label(old),
            others.join(",")
        )));
    }
    Ok(())
}

fn tell(told: &mut String, words: String) {
    if *told != words {
        eprintln!("{words}");
        *told = words;
    }
}

fn words(step: &Step, status: &NodeStatusResponse, arguments: &Arguments) -> String {
    let (old, address) = (&arguments.old, &arguments.with);
    match step {
        Step::Add { .. } => format!("adding a server at {address}"),
        Step::AwaitJoin { new } => {
            let stay = status.nodes.iter().filter(|node| node.id != *new && node.phase == "member");
            let peers: Vec<_> = stay.map(|node| node.peer_address.as_str()).collect();
            format!(
                "server {new} at {address} is awaited; start it with an empty directory: hiraeth serve \
                 --name NEW-NAME --data-dir DIR --listen-peer {address} --join {}",
                peers.join(",")
            )
        }
        Step::AwaitWord { .. } => format!("nothing is heard of {old} for a moment"),
        Step::Promote { new } => {
            format!("server {new} at {address} catches up, and will vote then")
        }
        Step::Drain { .. } => format!("{old} gives its replicas away"),
        Step::AwaitEmpty { left, .. } => {
            format!("{old} gives its replicas of sharded keyspaces away: {left} are left")
        }
        Step::Remove { .. } => format!("removing {old}"),
        Step::AwaitGone { .. } => format!("{old} is on its way out: its replicas still go"),
        Step::Done => {
            format!("there is no server {old} any more; the one at {address} is a member")
        }
    }
}
