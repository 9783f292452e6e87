use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::native::{NodeInfo, NodeStatusResponse};
use client::{Client, Error, Options};
use futures::future::join_all;

use crate::cli::remote::Remote;

/// A server that is well answers at once; the screen does not wait long for one that is not.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the servers of a cluster say.
pub(in crate::cli) struct Views {
    /// By node, what it answered.
    pub(in crate::cli) answers: BTreeMap<u64, NodeStatusResponse>,
    /// By node, why it did not.
    pub(in crate::cli) failures: BTreeMap<u64, String>,
    /// Addresses given that did not answer and belong to no known node, or to another cluster.
    pub(in crate::cli) strangers: Vec<String>,
}

impl Views {
    /// The nodes, as the answer knows them that knows most.
    pub(in crate::cli) fn nodes(&self) -> &[NodeInfo] {
        let most = self.answers.values().max_by_key(|answer| answer.nodes.len());
        most.map_or(&[], |answer| &answer.nodes)
    }
}

/// Asks the servers given, then those they name.
pub(in crate::cli) async fn ask_all(remote: &Remote) -> Result<Views, Error> {
    let options = remote.options()?;
    let patience = Options { timeout: options.timeout.min(PATIENCE), ..options };
    let client = Client::lazy(remote.endpoints.iter().map(String::as_str), patience)?;
    let ask = |address: String| async {
        let answer = client.node_status(&address).await;
        (address, answer)
    };
    let given: BTreeSet<&str> = client.endpoints().collect();
    let mut views =
        Views { answers: BTreeMap::new(), failures: BTreeMap::new(), strangers: Vec::new() };
    let mut silent = BTreeMap::new();
    let mut cluster = None;
    for (address, answer) in join_all(given.into_iter().map(|it| ask(it.to_owned()))).await {
        match answer {
            Ok(answer)
                if *cluster.get_or_insert_with(|| answer.cluster.clone()) == answer.cluster =>
            {
                views.answers.insert(answer.node, answer);
            }
            Ok(answer) => {
                views.strangers.push(format!("{address} belongs to cluster {}", answer.cluster));
            }
            Err(error) => drop(silent.insert(address, error)),
        }
    }
    if views.answers.is_empty() {
        return Err(nobody(silent));
    }
    let others: Vec<NodeInfo> = views
        .nodes()
        .iter()
        .filter(|node| !views.answers.contains_key(&node.id))
        .cloned()
        .collect();
    for node in &others {
        if let Some(error) = silent.remove(&node.client_address) {
            views.failures.insert(node.id, why(&error));
        } else if node.client_address.is_empty() {
            views.failures.insert(node.id, "it never told where clients connect".to_owned());
        }
    }
    let unasked = others.iter().filter(|node| !views.failures.contains_key(&node.id));
    let asked = unasked.map(|node| async { (node.id, ask(node.client_address.clone()).await.1) });
    for (node, answer) in join_all(asked).await {
        match answer {
            Ok(answer) if answer.node == node => drop(views.answers.insert(node, answer)),
            Ok(answer) => {
                let text =
                    format!("node {} of cluster {} answers there", answer.node, answer.cluster);
                views.failures.insert(node, text);
            }
            Err(error) => drop(views.failures.insert(node, why(&error))),
        }
    }
    views.strangers.extend(silent.into_values().map(|error| error.to_string()));
    Ok(views)
}

/// Why one address did not answer.
fn why(error: &Error) -> String {
    match error {
        Error::Unreachable { tried } if tried.len() == 1 => {
            format!("{}: {}", tried[0].0, tried[0].1)
        }
        other => other.to_string(),
    }
}

/// All that was tried, as one error.
fn nobody(mut silent: BTreeMap<String, Error>) -> Error {
    let too_slow = |error: &Error| matches!(error, Error::TimedOut { .. });
    if silent.values().all(too_slow)
        && let Some((_, error)) = silent.pop_first()
    {
        return error;
    }
    let tried = silent.into_iter().flat_map(|(address, error)| match error {
        Error::Unreachable { tried } => tried,
        other => vec![(address, other.to_string())],
    });
    Error::Unreachable { tried: tried.collect() }
}
