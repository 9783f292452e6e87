//! Versions that some get.

use configuration::gray::EVERYBODY;
use configuration::plan::{self, Base};
use configuration::record::{Gray, Outcome, Report, decode};
use configuration::{Name, key, limits};
use node::Consistency;
use proto::hiraeth::v1 as pb;
use types::{Code, Fault};

use super::door::{Door, page, refuse};
use super::releases::{TRIES, Turns, busy, draft, expect};
use super::{convert, schemas};

/// What failed, as far as it is told.
const FAILURES: usize = 10;

pub(super) async fn start(
    door: &Door,
    turns: &Turns,
    request: pb::StartGrayRequest,
) -> Result<pb::GrayResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    let draft = draft(door, &name, request.content).await?;
    let spec = Gray {
        meta: None,
        basis_points: match request.basis_points {
            Some(points) => points,
            None if request.rules.is_empty() => 0,
            None => EVERYBODY,
        },
        rules: convert::rules(request.rules),
        ids: request.ids,
        canary: request.canary.as_ref().map(|canary| convert::canary(canary, draft.at_ms)),
    };
    let _turn = turns.take(&name).await?;
    for _ in 0..TRIES {
        let base = door.base(&name).await?;
        expect(&base, request.expected)?;
        let guards = schemas::check(door, &name, &draft).await?;
        let planned = plan::start_gray(&base, &draft, spec.clone(), &guards)?;
        if let Some(revision) = door.make(planned.txn).await? {
            let gray = planned.head.gray.clone().unwrap_or_default();
            tracing::info!(%name, version = gray.version(), by = draft.author, "a gray release begins");
            let told = convert::gray(&name, &planned.head, &gray, true);
            return Ok(pb::GrayResponse { revision: revision.get(), ..told });
        }
    }
    Err(busy(&name))
}

pub(super) async fn widen(
    door: &Door,
    request: pb::WidenGrayRequest,
) -> Result<pb::GrayResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    for _ in 0..TRIES {
        let base = door.base(&name).await?;
        let (_, gray) = plan::running(&base)?;
        let rule = |label: &String| gray.rules.iter().any(|rule| rule.label == *label);
        let labels = request.allow.iter().map(|rule| &rule.label).chain(&request.drop_rules);
        if let Some(label) = labels.into_iter().find(|label| !rule(label)) {
            return refuse(format!("there is no rule for the label {label:?}"));
        }
        let planned = plan::widen(&base, |gray| {
            gray.basis_points = request.basis_points.unwrap_or(gray.basis_points);
            gray.rules.retain(|rule| !request.drop_rules.contains(&rule.label));
            for more in &request.allow {
                for rule in gray.rules.iter_mut().filter(|rule| rule.label == more.label) {
                    rule.values.extend(more.values.iter().cloned());
                    rule.values.sort();
                    rule.values.dedup();
                }
            }
            gray.ids.extend(request.ids.iter().cloned());
            gray.ids.sort();
            gray.ids.dedup();
        })?;
        if let Some(revision) = door.make(planned.txn).await? {
            let gray = planned.head.gray.clone().unwrap_or_default();
            let told = convert::gray(&name, &planned.head, &gray, true);
            return Ok(pb::GrayResponse { revision: revision.get(), ..told });
        }
    }
    Err(busy(&name))
}

/// Whether the version that is meant is the one under way.
fn meant(base: &Base, version: u64) -> Result<(), Fault> {
    let running = plan::running(base)?.1.version();
    if version == 0 || version == running {
        return Ok(());
    }
    let told = format!("{}: of version {version}; version {running} is one", base.name);
    Err(Fault::new(Code::GrayMissing, told))
}

pub(super) async fn end(
    door: &Door,
    request: &pb::EndGrayRequest,
    outcome: Outcome,
) -> Result<pb::GrayResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    plan::check_comment(&request.why)?;
    let by = door.user().await?;
    let why = match (by.as_str(), request.why.as_str()) {
        ("", why) => why.to_owned(),
        (by, "") => format!("by {by}"),
        (by, why) => format!("by {by}: {why}"),
    };
    for _ in 0..TRIES {
        let base = door.base(&name).await?;
        meant(&base, request.version)?;
        let gray = plan::running(&base)?.1.clone();
        let planned = plan::end_gray(&base, outcome, door.now(), &why)?;
        let counts = counts(door, &name, gray.version()).await?;
        if let Some(revision) = door.make(planned.txn).await? {
            tracing::info!(%name, version = gray.version(), by, ?outcome, "a gray release has ended");
            let told = convert::gray(&name, &planned.head, &gray, false);
            let (ok, failed) = counts;
            return Ok(pb::GrayResponse { revision: revision.get(), ok, failed, ..told });
        }
    }
    Err(busy(&name))
}

/// Clients that reported success, and failure.
async fn counts(door: &Door, name: &Name, version: u64) -> Result<(u32, u32), Fault> {
    let ok = door.count(key::reports(name, version, false)).await?;
    Ok((ok, door.count(key::reports(name, version, true)).await?))
}

pub(super) async fn status(
    door: &Door,
    request: &pb::GrayStatusRequest,
) -> Result<pb::GrayResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    let base = door.base(&name).await?;
    let (head, gray) = plan::running(&base)?;
    let version = gray.version();
    let (ok, failed) = counts(door, &name, version).await?;
    let range = key::reports(&name, version, true);
    let before = range.start.len();
    let (kvs, ..) = door.range(page(range, FAILURES), Consistency::Stale).await?;
    let failures = kvs.iter().map(|kv| {
        let Report { at_ms, message } = decode(&kv.key, &kv.value)?;
        let client = String::from_utf8_lossy(kv.key.get(before..).unwrap_or_default()).into_owned();
        Ok(pb::GrayFailure { client, message, at_ms })
    });
    let failures = failures.collect::<Result<_, Fault>>()?;
    let told = convert::gray(&name, head, gray, true);
    Ok(pb::GrayResponse { ok, failed, failures, revision: base.revision.get(), ..told })
}

pub(super) async fn report(
    door: &Door,
    request: pb::ReportRequest,
) -> Result<pb::ReportResponse, Fault> {
    let name = convert::name(request.name.as_ref())?;
    let record = Report { at_ms: door.now(), message: request.message };
    for _ in 0..TRIES {
        let base = door.base(&name).await?;
        meant(&base, request.version)?;
        let (client, failed) = (request.client.as_str(), request.failed);
        let mut txn = plan::report(&base, client, failed, &record)?;
        let version = plan::running(&base)?.1.version();
        let mut counted = true;
        if door.count(key::reports(&name, version, failed)).await? >= limits::REPORTS {
            // Who is among them says something newer; who is not takes back what it said before.
            let known = key::report(&name, version, failed, client);
            counted = door.one(&known, Consistency::Linearizable).await?.0.is_some();
            if !counted {
                txn = plan::take_back(&base, client, failed)?;
            }
        }
        if door.make(txn).await?.is_some() {
            return Ok(pb::ReportResponse { counted });
        }
    }
    Err(busy(&name))
}
