//! What must hold at the end: everything acknowledged is there, once, in order, on every node.

mod copies;
pub(crate) mod counters;
mod events;
pub(crate) mod histories;
pub(crate) mod lists;
#[cfg(test)]
mod tests;
mod unique;

use std::collections::BTreeMap;

use client::{Get, KeyValue};
use serde::Serialize;

pub(crate) use histories::Checked;

use crate::ledger::Ledger;
use crate::servers::Servers;
use crate::work::{ACCOUNTS, Done, PREFIX, client_of, transfers};

/// Keys and what they have.
pub(crate) type State = BTreeMap<String, KeyValue>;

/// Figures of a verification, and what was found wrong.
#[derive(Default, Debug, Serialize)]
pub(crate) struct Verified {
    pub(crate) unique: unique::Counted,
    pub(crate) counters: counters::Counted,
    pub(crate) histories: Checked,
    pub(crate) lists: lists::Counted,
    pub(crate) events: events::Counted,
    pub(crate) copies: copies::Counted,
    pub(crate) leases_left: usize,
    /// Instances that were registered and taken back.
    pub(crate) guests: u64,
    /// Each one is a broken promise.
    pub(crate) violations: Vec<String>,
}

/// All keys, page by page at one revision, as an answer of `client` tells.
async fn read(client: &client::Client, is_serializable: bool) -> anyhow::Result<(i64, State)> {
    const PAGE: u32 = 5_000;
    let mut state = State::new();
    let (mut revision, mut from) = (0, PREFIX.as_bytes().to_vec());
    let mut end = PREFIX.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    loop {
        let mut get = Get::range(from.clone(), end.clone()).limit(PAGE).revision(revision);
        if is_serializable {
            get = get.serializable();
        }
        let page = client.get(get).await?;
        if revision == 0 {
            revision = page.revision;
        }
        let last = page.kvs.last().map(|kv| kv.key.clone());
        state.extend(
            page.kvs.into_iter().map(|kv| (String::from_utf8_lossy(&kv.key).into_owned(), kv)),
        );
        match last {
            Some(last) if page.more => {
                from = last.to_vec();
                from.push(0);
            }
            _ => return Ok((revision, state)),
        }
    }
}

/// Judges a run whose clients have ended and whose servers all run.
pub(crate) async fn verify(
    servers: &Servers,
    ledger: &Ledger,
    done: &Done,
) -> anyhow::Result<Verified> {
    let mut verified = Verified { leases_left: done.left, ..Verified::default() };
    let mut wrong = std::mem::take(&mut *ledger.violations.lock());
    let (revision, state) = read(&client_of(servers, 0)?, false).await?;
    verified.unique = unique::verify(ledger, &state, &mut wrong);
    verified.counters = counters::verify(ledger, &state, &mut wrong);
    let accounts =
        state.range(ACCOUNTS.to_owned()..).take_while(|(key, _)| key.starts_with(ACCOUNTS));
    let accounts = accounts.map(|(_, account)| account);
    let were_open = ledger.accounts_open.load(std::sync::atomic::Ordering::SeqCst);
    let told = transfers::judge(accounts, were_open);
    wrong.extend(told.map(|told| format!("in the end there are {told}")));
    verified.guests = ledger.guests.load(std::sync::atomic::Ordering::SeqCst);
    verified.histories = histories::verify(ledger, &mut wrong);
    verified.lists = lists::verify(ledger, &state, &mut wrong);
    verified.copies = copies::verify(servers, revision, &state, &mut wrong).await?;
    let mut replays = Vec::new();
    for at in servers.here().iter().copied() {
        let address = servers.endpoints(at).swap_remove(0);
        replays.push(crate::work::replay(&address, revision).await.unwrap_or_else(
            |(events, why)| {
                wrong.push(format!("the history of {}: {why}", servers.name(at)));
                events
            },
        ));
    }
    verified.events = events::verify(ledger, &done.watched, &replays, &state, &mut wrong);
    verified.violations = wrong;
    Ok(verified)
}
