use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{State, read};
use crate::servers::Servers;

/// A node that was away has caught up within this.
const CAUGHT_UP: Duration = Duration::from_secs(60);

/// What every node holds itself.
#[derive(Default, Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) nodes: u64,
    pub(crate) keys: u64,
    /// Keys that one node has otherwise than a linearizable read tells.
    pub(crate) differ: u64,
}

/// Compares each node's own copy with what a linearizable read found at `revision`.
pub(super) async fn verify(
    servers: &Servers,
    revision: i64,
    state: &State,
    wrong: &mut Vec<String>,
) -> anyhow::Result<Counted> {
    let mut counted = Counted { keys: state.len() as u64, ..Counted::default() };
    for at in servers.here().iter().copied() {
        let address = servers.endpoints(at).swap_remove(0);
        let client = client::Client::lazy([address], client::Options::default())?;
        let deadline = Instant::now() + CAUGHT_UP;
        let (reached, copy) = loop {
            let (reached, copy) = read(&client, true).await?;
            if reached >= revision || Instant::now() >= deadline {
                break (reached, copy);
            }
            sleep(Duration::from_millis(100)).await;
        };
        counted.nodes += 1;
        let name = servers.name(at);
        if reached != revision {
            wrong.push(format!("{name} holds revision {reached}, not {revision}"));
        }
        let keys = copy.keys().chain(state.keys().filter(|key| !copy.contains_key(*key)));
        for key in keys.filter(|key| copy.get(*key) != state.get(*key)) {
            counted.differ += 1;
            if counted.differ <= 20 {
                let (here, there) = (copy.get(key), state.get(key));
                wrong.push(format!("{key}: {name} holds {here:?}, not {there:?}"));
            }
        }
    }
    Ok(counted)
}
