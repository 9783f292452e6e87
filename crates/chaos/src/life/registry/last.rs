//! What is looked at once everything is quiet: each server's own list is what is known to be so.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::registry_client::RegistryClient;
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};

use super::fleet::Common;
use super::resets::{GRACE, SLACK};
use super::truth::{FORGOTTEN_AFTER, Known, Part, Place, TTL};

const ANSWER: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_secs(2);
const BYTES: usize = 64 << 20;
/// Differences that are written out, of one server.
const SHOWN: usize = 5;

/// Looks at the own copies of these servers until all are as they are to be, or it is time.
pub(super) async fn look(common: &Common, servers: &[usize], stood_still: usize) {
    // All that was silent is lost and gone by then.
    let mut patience = TTL + GRACE + FORGOTTEN_AFTER + SLACK * 2;
    if stood_still > 0 {
        patience += TTL + GRACE;
    }
    let until = common.resets.last().map_or_else(Instant::now, |last| last.max(Instant::now()));
    let until = until + patience;
    for server in servers {
        loop {
            let different = match differences(common, *server).await {
                Ok(different) if different.is_empty() => break,
                Ok(different) => different,
                Err(error) => vec![format!("no answer: {error:#}")],
            };
            if Instant::now() > until {
                let shown = different.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
                let count = different.len();
                common.journal.wrong(&format!(
                    "in the end server {} has another list: {count} differences: {shown}",
                    server + 1
                ));
                break;
            }
            sleep(AGAIN).await;
        }
    }
    let behind = common.journal.behind();
    for behind in behind {
        common.journal.wrong(&format!("in the end {behind}"));
    }
}

async fn differences(common: &Common, server: usize) -> anyhow::Result<Vec<String>> {
    let address = format!("http://{}", common.clients[server]);
    let channel = timeout(ANSWER, Endpoint::from_shared(address)?.connect()).await??;
    let mut client = RegistryClient::new(channel).max_decoding_message_size(BYTES);
    let mut different = Vec::new();
    for service in 0..common.truth.services() {
        let found = of(&mut client, service).await?;
        let known = common.truth.of(service).clone();
        different.extend(compare(service, &found, &known));
    }
    Ok(different)
}

async fn of(
    client: &mut RegistryClient<Channel>,
    service: usize,
) -> anyhow::Result<BTreeMap<String, bool>> {
    let service = Place::service_name(service);
    let request = pb::FindRequest { service, stale: true, ..pb::FindRequest::default() };
    let found = timeout(ANSWER, client.find(request)).await??.into_inner();
    let passes = |it: &pb::Instance| it.status() == pb::InstanceStatus::Passing;
    let all = found.instances.into_iter();
    Ok(all.map(|it| (passes(&it), it.id)).map(|(passes, id)| (id, passes)).collect())
}

/// What of a service's list is another way than it is to be.
fn compare(service: usize, found: &BTreeMap<String, bool>, known: &[Known]) -> Vec<String> {
    let mut different = Vec::new();
    let mut expected = 0;
    for (number, known) in known.iter().enumerate() {
        let id = Place { service, number }.id();
        let is = found.get(&id).copied();
        let is_here = matches!(known.part, Part::Here { .. });
        expected += usize::from(is.is_some());
        if is != is_here.then_some(true) {
            different.push(format!("{id} is {:?} and passes there: {is:?}", known.part));
        }
    }
    if found.len() != expected {
        different.push(format!("{} has strangers", Place::service_name(service)));
    }
    different
}

/// Who fell silent was told to be so and to be gone in time, as far as somebody watched; how many were, and
/// after how long.
pub(super) fn silences(common: &Common, stood_still: usize) -> String {
    let mut lags = [Vec::new(), Vec::new()];
    for (place, known) in common.truth.all() {
        let is_watched = place.service < common.plan.watched;
        if !is_watched || !matches!(known.part, Part::Silent { .. }) {
            continue;
        }
        let told = [known.critical_told, known.gone_told];
        let since = [known.tried, known.critical_told.unwrap_or(known.tried)];
        for (((lags, told), since), time) in
            lags.iter_mut().zip(told).zip(since).zip([TTL, FORGOTTEN_AFTER])
        {
            let Some(told) = told else {
                // One that went between two answers was never seen to be critical.
                if known.gone_told.is_none() {
                    common
                        .journal
                        .wrong(&format!("{} fell silent, and nobody was told", place.id()));
                }
                continue;
            };
            lags.push(told.saturating_duration_since(since + time));
            if stood_still == 0 && told > common.resets.due(since, time) {
                let late = told.duration_since(since);
                common.journal.wrong(&format!("{} was silent for {late:.1?}", place.id()));
            }
        }
    }
    let mut text = String::new();
    for (mut lags, what) in lags.into_iter().zip(["critical", "gone"]) {
        lags.sort_unstable();
        let at = |place: usize| lags.get(place).copied().unwrap_or_default();
        text += &format!(
            "  told to be {what}: {}, after their time p50 {:.1?}, at most {:.1?}\n",
            lags.len(),
            at(lags.len() / 2),
            at(lags.len().saturating_sub(1)),
        );
    }
    text
}
