//! What stands behind the question mark of a request.

use std::borrow::Cow;
use std::time::Duration;

use super::duration;
use super::problem::Problem;

/// Parameters of one request.
const PARAMETERS: usize = 128;
/// How long a blocking query waits that names no time, and at most.
const WAIT: Duration = Duration::from_secs(300);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// How fresh an answer is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Freshness {
    /// Confirmed by a quorum where there is one; of the registry, this node's copy else.
    Default,
    /// Confirmed by a quorum, or an error.
    Consistent,
    /// This node's copy.
    Stale,
}

/// The parameters, in their order; one may be there many times, or without a value.
#[derive(Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(query: Option<&str>) -> Result<Self, Problem> {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let pairs: Vec<_> = pairs
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| (Cow::into_owned(name), Cow::into_owned(value)))
            .take(PARAMETERS + 1)
            .collect();
        if pairs.len() > PARAMETERS {
            return Err(Problem::bad(format!("more than {PARAMETERS} parameters")));
        }
        Ok(Self(pairs))
    }

    /// The first of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| &**value)
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(it, _)| it == name).map(|(_, value)| &**value)
    }

    /// Whether a flag is set: by its bare name or any value but a plain no.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value, "false" | "False" | "0" | "f"))
    }

    /// A number; an error names what is wrong.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse();
        number.map(Some).map_err(|_| Problem::bad(format!("Invalid {name} value {text:?}")))
    }

    pub(super) fn freshness(&self) -> Result<Freshness, Problem> {
        // What an agent has cached is here what this node has.
        match (self.flag("stale") || self.flag("cached"), self.flag("consistent")) {
            (true, true) => {
                Err(Problem::bad("Cannot specify ?stale with ?consistent, conflicting semantics."))
            }
            (true, false) => Ok(Freshness::Stale),
            (false, true) => Ok(Freshness::Consistent),
            (false, false) => Ok(Freshness::Default),
        }
    }

    /// The index after which an answer is wanted; 0 for now.
    pub(super) fn index(&self) -> Result<u64, Problem> {
        match self.get("index") {
            None | Some("") => Ok(0),
            // Spring's watch begins so.
            Some(negative) if negative.strip_prefix('-').is_some_and(is_digits) => Ok(0),
            Some(text) => text.parse().map_err(|_| Problem::bad("Invalid index")),
        }
    }

    /// How long to wait for it, at most.
    pub(super) fn wait(&self) -> Result<Duration, Problem> {
        let wait = match self.get("wait") {
            None | Some("") => WAIT,
            Some(text) => duration::parse(text).ok_or_else(|| Problem::bad("Invalid wait time"))?,
        };
        Ok(if wait.is_zero() { WAIT } else { wait.min(LONGEST_WAIT) })
    }

    /// The pairs of `?node-meta=key:value`.
    pub(super) fn node_meta(&self) -> Vec<(state::registry::Name, state::registry::Name)> {
        let pairs = self.all("node-meta").map(|pair| pair.split_once(':').unwrap_or((pair, "")));
        pairs.map(|(key, value)| (key.into(), value.into())).collect()
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Freshness, Parameters};

    fn of(query: &str) -> Parameters {
        Parameters::of(Some(query)).unwrap_or_default()
    }

    #[test]
    fn what_real_clients_send_is_understood() {
        let metrics = of("dc=dc1&stale&index=0&wait=525s&filter=Node+contains+%22x%22");
        assert_eq!(metrics.freshness().ok(), Some(Freshness::Stale));
        assert_eq!(
            (metrics.index().ok(), metrics.wait().ok()),
            (Some(0), Some(Duration::from_secs(525)))
        );
        assert_eq!(metrics.get("filter"), Some("Node contains \"x\""));
        let rust = of("recurse=false&passing=true&tag=a&tag=b");
        assert!(!rust.flag("recurse") && rust.flag("passing") && !rust.flag("stale"));
        assert_eq!(rust.all("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(of("index=-1").index().ok(), Some(0));
        assert_eq!(of("wait=20m").wait().ok(), Some(Duration::from_secs(600)));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let text = |problem: super::Problem| problem.text;
        assert_eq!(of("index=x").index().map_err(text), Err("Invalid index".to_owned()));
        assert_eq!(of("wait=x").wait().map_err(text), Err("Invalid wait time".to_owned()));
        assert!(of("stale&consistent").freshness().is_err());
        assert!(of("flags=-1").number("flags").is_err());
        let many = "a&".repeat(200);
        assert!(Parameters::of(Some(&many)).is_err());
    }
}
