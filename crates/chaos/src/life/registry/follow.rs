//! Watchers that follow services by the SDK, each beginning at another server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, Options, Standing};
use tokio::time::timeout;

use super::fleet::Common;
use super::journal::{Counts, Way};
use super::judge::Told;
use super::truth::Place;

/// Looks whether all is over.
const LOOK: Duration = Duration::from_secs(1);

/// Follows these services over one session that begins at server `first`.
pub(super) async fn follow(common: Arc<Common>, first: usize, services: Vec<usize>) {
    let count = common.clients.len();
    let endpoints: Vec<String> =
        common.clients.iter().cycle().skip(first).take(count).cloned().collect();
    let client = match Client::lazy(endpoints, Options::default()) {
        Ok(client) => client,
        Err(error) => return common.journal.wrong(&format!("no client: {error}")),
    };
    let registry = client.registry(Some("life"));
    let mut tasks = Vec::new();
    for service in services {
        let (common, registry) = (Arc::clone(&common), registry.clone());
        tasks.push(tokio::spawn(async move {
            let name = Place::service_name(service);
            let who = format!("follower {} of {name}", first + 1);
            let listener = common.journal.listener(Way::Follower, service, who.clone());
            let mut followed = loop {
                match timeout(LOOK * 10, registry.follow("", &name)).await {
                    Ok(Ok(followed)) => break followed,
                    Ok(Err(error)) => common.error("followers", &error),
                    Err(_) => {}
                }
                if common.is_stopped() {
                    return;
                }
            };
            while !common.is_stopped() {
                let index = followed.version();
                let instances = followed.instances();
                let at = Instant::now();
                let before = listener.index();
                Counts::add(&common.journal.counts.pushes, 1);
                if index < before {
                    common.journal.wrong(&format!("{who}: version {index} after {before}"));
                }
                let critical = |it: &Standing| *it == Standing::Critical;
                let instances =
                    instances.iter().map(|it| (it.id.clone(), critical(&it.standing))).collect();
                common.judge(&who, &Told { service, index, at, instances });
                listener.told(index);
                while !common.is_stopped() {
                    match timeout(LOOK, followed.changed()).await {
                        Ok(Ok(())) => break,
                        Ok(Err(error)) => {
                            return common.journal.wrong(&format!("{who} ended: {error}"));
                        }
                        Err(_) => {}
                    }
                }
            }
        }));
    }
    for task in tasks {
        if let Err(error) = task.await {
            common.journal.wrong(&format!("a follower ended: {error}"));
        }
    }
}
