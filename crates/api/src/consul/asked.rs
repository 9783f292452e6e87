//! One request, and what every route asks of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use node::{AuthChanges, Caller, Consistency, Handle, Scope, Topic, WatchCreate, WatchMessage};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::Value;
use state::auth::Demand;
use state::auth::acl::{Access, Resource, View};
use state::command::Command;
use state::registry::query::Indexed;
use state::registry::{RegistryAnswer, RegistryCommand};
use state::response::Response;
use tokio::sync::OwnedSemaphorePermit;
use types::{Code, Fault, KeyRange, KeyspaceId, Revision};

use super::answer::{Answer, Meta, Outcome};
use super::filter::Filter;
use super::filter::shape::Shape;
use super::home::Home;
use super::input::Input;
use super::parameters::{Freshness, Parameters};
use super::problem::Problem;
use crate::audit::Bearer;

/// A request for one of Consul's routes.
pub(super) struct Asked {
    pub(super) home: Arc<Home>,
    pub(super) keyspace: KeyspaceId,
    pub(super) method: Method,
    /// What follows the route in the path, as it was sent.
    pub(super) tail: String,
    pub(super) parameters: Parameters,
    pub(super) sender: Bearer,
    /// Whether the request has a token itself. Else it is asked in the name of this server's own, whose
    /// secret is told to nobody.
    pub(super) brings_token: bool,
    pub(super) wants_text: bool,
    pub(super) body: Bytes,
    /// Held by the one who may restore a snapshot through this server.
    pub(super) restoring: Option<OwnedSemaphorePermit>,
}

impl Asked {
    pub(super) fn handle(&self) -> &Handle {
        self.home.handle()
    }

    /// In whose name everything is asked.
    pub(super) fn caller(&self) -> Caller<'_, &Bearer> {
        self.handle().caller(self.keyspace, &self.sender)
    }

    /// Refuses who lacks this.
    pub(super) async fn need(&self, resource: Resource<'_>, wanted: Access) -> Result<(), Problem> {
        Ok(self.caller().permit_alone(Demand::Resource(resource, wanted)).await?)
    }

    /// What follows the route: a name or an id, which may have slashes.
    pub(super) fn name(&self, what: &str) -> Result<String, Problem> {
        let name = percent_decode_str(&self.tail).decode_utf8();
        let name = name.map_err(|_| Problem::bad(format!("{what} is not UTF-8")))?;
        if name.is_empty() {
            return Err(Problem::bad(format!("Missing {what}")));
        }
        Ok(name.into_owned())
    }

    /// The same, for keys: any bytes, and maybe none.
    pub(super) fn key(&self) -> Bytes {
        percent_decode_str(&self.tail).collect::<Vec<u8>>().into()
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Problem> {
        Input::parse(&self.body)
    }

    pub(super) fn filter(&self, shape: &'static Shape) -> Result<Filter, Problem> {
        Ok(Filter::parse(self.parameters.get("filter").unwrap_or_default(), shape)?)
    }

    /// Whether the answer is asked of another cluster that is a peer of this one: there are none.
    pub(super) fn is_of_a_peer(&self) -> bool {
        self.parameters.get("peer").is_some_and(|peer| !peer.is_empty())
    }

    /// Asks the registry, as fresh as the request wants it, and waits for another answer than that of the
    /// index it names.
    pub(super) async fn registry<T>(
        &self,
        topic: Topic,
        ask: impl Fn(&View<'_>) -> Indexed<T> + Send + Sync,
    ) -> Result<(T, Meta), Problem> {
        let ask = |view: &View<'_>| {
            let Indexed { index, value } = ask(view);
            Indexed { index, value: (value, view.hid_something()) }
        };
        let scope = Scope::from(&topic);
        let freshness = self.parameters.freshness()?;
        let (index, wait) = (self.parameters.index()?, self.parameters.wait()?);
        let (mut first, mut known_leader) = self.ask_first(&scope, freshness, index, &ask).await?;
        let is_ahead = |at: Revision| at.get().unsigned_abs() < index;
        if freshness == Freshness::Default && is_ahead(first.body.index) {
            // Another server, whose copy is newer, told the client that index. Nothing older serves it
            // better than an error: it has the newer answer, and asks elsewhere.
            first = self.caller().registry(&scope, Consistency::Linearizable, &ask).await?;
            known_leader = true;
        }
        let (value, filtered) = first.body.value;
        let mut meta = Meta {
            index: first.body.index,
            age: first.header.age,
            known_leader,
            freshness,
            filtered,
        };
        // What a quorum knows nothing of, either, is from another life of the cluster: who waits with it
        // would miss what happens.
        let is_of_another_life = freshness != Freshness::Stale && is_ahead(meta.index);
        if index == 0 || meta.index.get().unsigned_abs() > index || is_of_another_life {
            return Ok((value, meta));
        }
        let after = Revision(i64::try_from(index).unwrap_or(i64::MAX));
        let answer = self.caller().registry_wait((topic, after), shortened(wait), ask).await?;
        (meta.index, meta.age) = (answer.body.index, self.age(freshness)?);
        meta.known_leader = self.handle().has_leader(self.keyspace);
        let (value, filtered) = answer.body.value;
        Ok((value, Meta { filtered, ..meta }))
    }

    async fn ask_first<T>(
        &self,
        scope: &Scope,
        freshness: Freshness,
        index: u64,
        ask: impl Fn(&View<'_>) -> T + Send + Sync,
    ) -> Result<(node::Answer<T>, bool), Problem> {
        let caller = self.caller();
        let has_leader = self.handle().has_leader(self.keyspace);
        match freshness {
            Freshness::Consistent => {
                Ok((caller.registry(scope, Consistency::Linearizable, &ask).await?, true))
            }
            Freshness::Stale => {
                Ok((caller.registry(scope, Consistency::Stale, &ask).await?, has_leader))
            }
            // Who waits has an answer already, and goes on from there: nothing is to be confirmed.
            Freshness::Default if index > 0 => {
                Ok((caller.registry(scope, Consistency::Stale, &ask).await?, has_leader))
            }
            Freshness::Default => {
                match caller.registry(scope, Consistency::Linearizable, &ask).await {
                    Ok(answer) => Ok((answer, true)),
                    // A list that is old serves clients better than none (feature R6).
                    Err(fault) if is_out_of_reach(&fault) => {
                        Ok((caller.registry(scope, Consistency::Stale, &ask).await?, false))
                    }
                    Err(fault) => Err(fault.into()),
                }
            }
        }
    }

    /// Whether anything happens in a range of keys after a revision, in time. Where that cannot be known any
    /// more, it did. Whether the range may be watched, and still may, is for `may` to say.
    pub(super) async fn happens(
        &self,
        keyspace: KeyspaceId,
        range: KeyRange,
        (after, wait): (Revision, Duration),
        may: impl Fn() -> Result<(), Fault>,
    ) -> Result<bool, Problem> {
        let mut changes = self.caller().changes();
        may()?;
        let (control, mut messages) = self.handle().watch(keyspace)?;
        let start = Revision(after.get().saturating_add(1));
        control.create(WatchCreate { range, start, ..WatchCreate::default() })?;
        let event = async {
            loop {
                let message = tokio::select! {
                    message = messages.next() => message,
                    () = AuthChanges::next_of(&mut changes) => {
                        may()?;
                        continue;
                    }
                };
                match message {
                    Some(WatchMessage::Events { .. }) => return Ok(true),
                    Some(WatchMessage::Canceled { fault: Some(fault), .. }) => {
                        return match fault.code {
                            Code::Compacted => Ok(true),
                            _ => Err(Problem::from(fault)),
                        };
                    }
                    Some(_) => {}
                    // The node stops: what it has is the last it says.
                    None => return Ok(false),
                }
            }
        };
        tokio::time::timeout(wait, event).await.unwrap_or(Ok(false))
    }

    /// How old an answer is that was not confirmed.
    pub(super) fn age(&self, freshness: Freshness) -> Result<Option<node::Age>, Problem> {
        let has_leader = self.handle().has_leader(self.keyspace);
        if freshness != Freshness::Stale && has_leader {
            return Ok(None);
        }
        Ok(Some(self.handle().registry_age(self.keyspace)?))
    }

    /// Has the registry changed.
    pub(super) async fn change(&self, command: RegistryCommand) -> Result<RegistryAnswer, Problem> {
        let answer = self.caller().propose(Command::Registry(command)).await?;
        match answer.body {
            Response::Registry(answer) => Ok(answer),
            other => Err(Problem::failed(format!("the registry answered {other:?}"))),
        }
    }

    /// A list, without what the request's filter leaves out.
    pub(super) fn filtered<T: Serialize>(
        &self,
        shape: &'static Shape,
        list: impl IntoIterator<Item = T>,
        meta: Meta,
    ) -> Outcome {
        let Some(text) = self.parameters.get("filter").filter(|text| !text.is_empty()) else {
            return Ok(Answer::json(&list.into_iter().collect::<Vec<T>>()).at(meta));
        };
        let filter = Filter::parse(text, shape)?;
        let values = list.into_iter().filter_map(|it| serde_json::to_value(it).ok());
        let taken: Vec<Value> = values.filter(|value| filter.matches(value)).collect();
        Ok(Answer::json(&taken).at(meta))
    }
}

/// Whether the fault says that nobody could be asked.
fn is_out_of_reach(fault: &Fault) -> bool {
    matches!(fault.code, Code::NoLeader | Code::Timeout | Code::LeaderChanged | Code::NotLeader)
}

/// A little less than `wait`, never the same for all who came together: clients give up shortly after
/// `wait`, so it must not be more.
pub(super) fn shortened(wait: Duration) -> Duration {
    /// The golden ratio's fraction spreads evenly, however many there are.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP);
    let most = wait / 16;
    let part = u32::try_from(count >> 48).unwrap_or(0);
    wait.saturating_sub(most / 65_536 * part)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn nobody_waits_longer_than_it_said_and_not_all_the_same() {
        let wait = Duration::from_secs(600);
        let mut times: Vec<Duration> = (0..100).map(|_| super::shortened(wait)).collect();
        assert!(times.iter().all(|time| *time <= wait && *time >= wait / 16 * 15));
        times.sort();
        times.dedup();
        assert!(times.len() > 90);
    }
}
