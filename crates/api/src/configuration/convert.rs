//! From messages to what the crate `configuration` speaks of, and back.

use configuration::gray::Client;
use configuration::record::{Canary, Gray, Head, Meta, Rule};
use configuration::{ContentType, Name};
use proto::hiraeth::v1 as pb;
use types::{Code, Fault};

use super::door::refuse;

pub(super) fn name(name: Option<&pb::ConfigName>) -> Result<Name, Fault> {
    match name {
        Some(name) => Name::new(&name.namespace, &name.group, &name.name),
        None => refuse("which configuration is meant is missing"),
    }
}

pub(super) fn told_name(name: &Name) -> pb::ConfigName {
    pb::ConfigName {
        namespace: name.namespace().to_owned(),
        group: name.group().to_owned(),
        name: name.name().to_owned(),
    }
}

/// The type of this number.
///
/// # Errors
/// `InvalidArgument` for none.
pub(crate) fn content_type(number: i32) -> Result<ContentType, Fault> {
    ContentType::try_from(number).map_err(|_| {
        let told = format!(
            "there is no content type {number}; 0 to 4 are text, json, yaml, toml, properties"
        );
        Fault::new(Code::InvalidArgument, told)
    })
}

pub(super) fn client(client: Option<pb::ConfigClient>) -> Result<Client, Fault> {
    let pb::ConfigClient { id, labels } = client.unwrap_or_default();
    let client = Client { id, labels: labels.into_iter().collect() };
    client.check()?;
    Ok(client)
}

pub(super) fn version(meta: &Meta) -> pb::ConfigVersion {
    pb::ConfigVersion {
        version: meta.version,
        content_type: meta.content_type,
        bytes: meta.bytes,
        digest: meta.digest.clone(),
        author: meta.author.clone(),
        comment: meta.comment.clone(),
        at_ms: meta.at_ms,
        origin: meta.origin,
        of: meta.of,
        outcome: meta.outcome,
        outcome_at_ms: meta.outcome_at_ms,
        outcome_why: meta.outcome_why.clone(),
    }
}

pub(super) fn rules(rules: Vec<pb::GrayRule>) -> Vec<Rule> {
    rules.into_iter().map(|pb::GrayRule { label, values }| Rule { label, values }).collect()
}

pub(super) fn canary(canary: &pb::GrayCanary, now_ms: u64) -> Canary {
    Canary {
        ends_at_ms: now_ms.saturating_add(canary.lasts_ms),
        failures: canary.failures.max(1),
        promote: canary.promote,
        least_ok: canary.least_ok,
    }
}

/// A gray release as it is told; nobody has reported yet.
pub(super) fn gray(name: &Name, head: &Head, gray: &Gray, running: bool) -> pb::GrayResponse {
    let rule = |Rule { label, values }: &Rule| pb::GrayRule {
        label: label.clone(),
        values: values.clone(),
    };
    pb::GrayResponse {
        name: Some(told_name(name)),
        version: gray.meta.as_ref().map(version),
        stable: head.stable.as_ref().map(version),
        running,
        rules: gray.rules.iter().map(rule).collect(),
        basis_points: gray.basis_points,
        ids: gray.ids.clone(),
        canary: gray.canary.as_ref().map(|canary| pb::GrayCanary {
            lasts_ms: gray
                .meta
                .as_ref()
                .map_or(0, |meta| canary.ends_at_ms.saturating_sub(meta.at_ms)),
            ends_at_ms: canary.ends_at_ms,
            failures: canary.failures,
            promote: canary.promote,
            least_ok: canary.least_ok,
        }),
        ..pb::GrayResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use configuration::ContentType;
    use configuration::record::{Origin, Outcome};
    use proto::hiraeth::v1 as pb;

    /// They go from records to messages as numbers.
    #[test]
    fn the_numbers_of_records_are_those_of_messages() {
        for (ours, theirs) in [
            (ContentType::Text as i32, pb::ConfigContentType::Text as i32),
            (ContentType::Json as i32, pb::ConfigContentType::Json as i32),
            (ContentType::Yaml as i32, pb::ConfigContentType::Yaml as i32),
            (ContentType::Toml as i32, pb::ConfigContentType::Toml as i32),
            (ContentType::Properties as i32, pb::ConfigContentType::Properties as i32),
            (Origin::Release as i32, pb::ConfigOrigin::Released as i32),
            (Origin::Gray as i32, pb::ConfigOrigin::Gray as i32),
            (Origin::Rollback as i32, pb::ConfigOrigin::Rollback as i32),
            (Outcome::None as i32, pb::ConfigOutcome::NoOutcome as i32),
            (Outcome::Promoted as i32, pb::ConfigOutcome::Promoted as i32),
            (Outcome::Aborted as i32, pb::ConfigOutcome::Aborted as i32),
            (Outcome::RolledBack as i32, pb::ConfigOutcome::RolledBack as i32),
        ] {
            assert_eq!(ours, theirs);
        }
    }
}
