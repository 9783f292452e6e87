//! Who is answered with the version of a gray release.

use std::collections::BTreeMap;

use prost::Message;
use sha2::{Digest, Sha256};
use types::{Code, Fault};

use crate::Name;
use crate::limits::{
    CANARY_MS, CANARY_MS_LEAST, CLIENT_BYTES, GRAY_BYTES, IDS, LABEL_BYTES, LABELS, REPORTS,
    RULE_VALUES, RULES,
};
use crate::record::{Canary, Gray, Head, Meta, Rule};

/// All of them.
pub const EVERYBODY: u32 = 10_000;

/// Who asks: what it says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Client {
    /// Its id; empty for one that has none.
    pub id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Client {
    /// Whether it is one.
    ///
    /// # Errors
    /// `InvalidArgument` for too many labels, and for an id or a label that is too long.
    pub fn check(&self) -> Result<(), Fault> {
        client_id(&self.id)?;
        if self.labels.len() > LABELS {
            return refuse(format!("a client has {LABELS} labels at most"));
        }
        for (label, value) in &self.labels {
            check_label(label, value)?;
        }
        Ok(())
    }
}

/// Whether it can be the id of a client.
///
/// # Errors
/// `InvalidArgument`.
pub fn client_id(id: &str) -> Result<(), Fault> {
    if id.len() > CLIENT_BYTES || id.chars().any(char::is_control) {
        return refuse(format!(
            "the id of a client has {CLIENT_BYTES} bytes at most, and no control characters"
        ));
    }
    Ok(())
}

fn check_label(label: &str, value: &str) -> Result<(), Fault> {
    if label.is_empty() || label.len() > LABEL_BYTES || value.len() > LABEL_BYTES {
        return refuse(format!(
            "a label has 1 to {LABEL_BYTES} bytes, and its value {LABEL_BYTES} at most"
        ));
    }
    Ok(())
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::new(Code::InvalidArgument, why))
}

/// Whether a gray release can be made so.
///
/// # Errors
/// `InvalidArgument`, with what is wrong.
pub fn check(gray: &Gray) -> Result<(), Fault> {
    if gray.rules.len() > RULES || gray.ids.len() > IDS {
        return refuse(format!("a gray release has {RULES} rules and names {IDS} clients at most"));
    }
    if gray.encoded_len() > GRAY_BYTES {
        return refuse(format!(
            "the rules and ids of a gray release have {GRAY_BYTES} bytes at most; \
             give clients a label instead"
        ));
    }
    for rule in &gray.rules {
        if rule.values.is_empty() || rule.values.len() > RULE_VALUES {
            return refuse(format!(
                "the rule for the label {:?} needs 1 to {RULE_VALUES} values",
                rule.label
            ));
        }
        for value in &rule.values {
            check_label(&rule.label, value)?;
        }
    }
    for id in &gray.ids {
        client_id(id)?;
        if id.is_empty() {
            return refuse("a client that is named needs an id");
        }
    }
    if gray.basis_points > EVERYBODY {
        return refuse("the percentage of a gray release is from 0 to 100");
    }
    if gray.basis_points == 0 && gray.ids.is_empty() {
        return refuse(
            "nobody would get this gray release: say a percentage, labels or ids of clients",
        );
    }
    Ok(())
}

/// Whether a canary can last so long, from `now_ms` on, and end so.
///
/// # Errors
/// `InvalidArgument`, with what is wrong.
pub fn check_canary(canary: &Canary, now_ms: u64) -> Result<(), Fault> {
    let lasts = canary.ends_at_ms.saturating_sub(now_ms);
    if !(CANARY_MS_LEAST..=CANARY_MS).contains(&lasts) {
        return refuse(format!(
            "a canary lasts from {CANARY_MS_LEAST} to {CANARY_MS} ms, and not {lasts}"
        ));
    }
    if !(1..=REPORTS).contains(&canary.failures) || canary.least_ok > REPORTS {
        return refuse(format!(
            "a canary ends after 1 to {REPORTS} failures, and waits for at most {REPORTS} clients"
        ));
    }
    if canary.least_ok > 0 && !canary.promote {
        return refuse("a canary that is not promoted at its end waits for no clients");
    }
    Ok(())
}

/// Whether every client that gets `before` gets `after`, too.
///
/// # Errors
/// `InvalidArgument`, with what would be taken from somebody.
pub fn only_wider(before: &Gray, after: &Gray) -> Result<(), Fault> {
    if after.basis_points < before.basis_points {
        return refuse(format!(
            "{} % get it already; abort it to give it to fewer",
            percent(before.basis_points)
        ));
    }
    if let Some(id) = before.ids.iter().find(|id| !after.ids.contains(id)) {
        return refuse(format!("the client {id:?} gets it already; abort it to take it back"));
    }
    for rule in &after.rules {
        let known = before.rules.iter().find(|known| known.label == rule.label);
        let has = |value: &String| rule.values.contains(value);
        if !known.is_some_and(|known| known.values.iter().all(has)) {
            return refuse(format!(
                "a rule for the label {:?} would take it from clients that get it already",
                rule.label
            ));
        }
    }
    Ok(())
}

/// Hundredths of percents as people write them.
#[must_use]
pub fn percent(basis_points: u32) -> String {
    let (whole, rest) = (basis_points / 100, basis_points % 100);
    match rest {
        0 => whole.to_string(),
        _ => format!("{whole}.{rest:02}").trim_end_matches('0').to_owned(),
    }
}

/// Where a client stands among all, from 0 to 9,999: by SHA-256 over its id, the configuration and the
/// version, so each release tries other clients, and each the same ones for as long as it lasts.
#[must_use]
pub fn standing(name: &Name, version: u64, id: &str) -> u32 {
    let text = format!("{name}\n{version}\n{id}");
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let first = digest.first_chunk().copied().unwrap_or_default();
    (u64::from_be_bytes(first) % u64::from(EVERYBODY)) as u32
}

/// Whether a gray release is for this client.
#[must_use]
pub fn applies(name: &Name, gray: &Gray, client: &Client) -> bool {
    if !client.id.is_empty() && gray.ids.contains(&client.id) {
        return true;
    }
    let holds = |rule: &Rule| {
        let value = client.labels.get(&rule.label);
        value.is_some_and(|value| rule.values.contains(value))
    };
    if !gray.rules.iter().all(holds) {
        return false;
    }
    match gray.basis_points {
        0 => false,
        EVERYBODY => true,
        _ if client.id.is_empty() => false,
        some => standing(name, gray.version(), &client.id) < some,
    }
}

/// The version that this client gets, and whether it is that of a gray release.
#[must_use]
pub fn choose<'a>(name: &Name, head: &'a Head, client: &Client) -> Option<(&'a Meta, bool)> {
    if let Some(gray) = &head.gray
        && let Some(meta) = &gray.meta
        && applies(name, gray, client)
    {
        return Some((meta, true));
    }
    head.stable.as_ref().map(|meta| (meta, false))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Client, EVERYBODY, applies, check, only_wider, percent, standing};
    use crate::Name;
    use crate::record::{Gray, Meta, Rule};

    fn gray(basis_points: u32) -> Gray {
        let meta = Some(Meta { version: 7, ..Meta::default() });
        Gray { meta, basis_points, ..Gray::default() }
    }

    fn client(id: &str, labels: &[(&str, &str)]) -> Client {
        let labels = labels.iter().map(|(label, value)| ((*label).into(), (*value).into()));
        Client { id: id.into(), labels: labels.collect() }
    }

    proptest! {
        /// Whoever has it keeps it when the percentage grows; at 100 everybody has it, at 0 nobody.
        #[test]
        fn the_set_only_grows(id in ".{1,30}", less in 0..=EVERYBODY, more in 0..=EVERYBODY) {
            let name = Name::new("n", "g", "a").unwrap();
            let client = client(&id, &[]);
            let (less, more) = (less.min(more), less.max(more));
            let has = |points| applies(&name, &gray(points), &client);
            prop_assert!(!has(less) || has(more));
            prop_assert!(has(EVERYBODY) && !has(0));
        }

        /// What may be widened takes it from nobody.
        #[test]
        fn widening_takes_it_from_nobody(
            before in any_gray(), after in any_gray(), id in "[a-c]", zone in "[x-z]", os in "[p-q]",
        ) {
            let name = Name::new("n", "g", "a").unwrap();
            let client = client(&id, &[("zone", &zone), ("os", &os)]);
            if only_wider(&before, &after).is_ok() && applies(&name, &before, &client) {
                prop_assert!(applies(&name, &after, &client));
            }
        }
    }

    fn any_gray() -> impl Strategy<Value = Gray> {
        let rule = |label: &'static str, values: &'static str| {
            prop::collection::vec(values, 0..3).prop_map(move |values| {
                (!values.is_empty()).then(|| Rule { label: label.into(), values })
            })
        };
        let rules = (rule("zone", "[x-z]"), rule("os", "[p-q]"));
        (rules, 0..=EVERYBODY, prop::collection::vec("[a-c]", 0..2)).prop_map(
            |((zone, os), basis_points, ids)| {
                let rules = zone.into_iter().chain(os).collect();
                Gray { rules, ids, ..gray(basis_points) }
            },
        )
    }

    #[test]
    fn about_as_many_as_were_asked_for_get_it() {
        let name = Name::new("n", "g", "a").unwrap();
        let has = |at: &u32| applies(&name, &gray(1_000), &client(&format!("host-{at}"), &[]));
        let count = (0..10_000).filter(has).count();
        assert!((900..=1_100).contains(&count), "{count} of 10,000 at 10 %");
    }

    /// Other implementations stand clients where this one does.
    #[test]
    fn the_standing_is_that_of_the_document() {
        let name = Name::new("prod", "shop", "app.yaml").unwrap();
        assert_eq!([1, 2].map(|version| standing(&name, version, "host-1")), [5_820, 2_270]);
    }

    #[test]
    fn labels_and_names_decide() {
        let name = Name::new("n", "g", "a").unwrap();
        let rule = |label: &str, values: &[&str]| Rule {
            label: label.into(),
            values: values.iter().map(|value| (*value).into()).collect(),
        };
        let rules = vec![rule("zone", &["eu", "us"]), rule("tier", &["web"])];
        let some = Gray { rules, ids: vec!["canary-1".into()], ..gray(EVERYBODY) };
        assert!(check(&some).is_ok());
        let has = |id, labels: &[_]| applies(&name, &some, &client(id, labels));
        assert!(has("x", &[("zone", "us"), ("tier", "web"), ("more", "")]));
        assert!(has("", &[("zone", "eu"), ("tier", "web")]));
        assert!(!has("x", &[("zone", "eu"), ("tier", "db")]) && !has("x", &[("zone", "eu")]));
        assert!(has("canary-1", &[]) && !has("canary-2", &[]));
        assert!(check(&gray(0)).is_err() && check(&gray(EVERYBODY + 1)).is_err());
    }

    #[test]
    fn percents_are_written_as_they_are_said() {
        for (points, text) in [(0, "0"), (1, "0.01"), (50, "0.5"), (1_000, "10"), (10_000, "100")] {
            assert_eq!(percent(points), text);
        }
    }
}
