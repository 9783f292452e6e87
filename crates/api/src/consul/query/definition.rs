//! What a prepared query says.

use serde_json::{Value, json};
use state::registry::{Name, Pairs};

use crate::consul::duration;
use crate::consul::input::Input;
use crate::consul::problem::Problem;
use crate::consul::show::Texts;

/// A prepared query, as it was given.
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) service: String,
    /// All of these, and none of those that begin with `!`.
    pub(super) tags: Vec<Name>,
    pub(super) only_passing: bool,
    pub(super) ignored_checks: Vec<Name>,
    pub(super) near: Name,
    pub(super) node_meta: Pairs,
    pub(super) service_meta: Pairs,
    pub(super) ttl: String,
    /// Where else to ask. There is one datacenter, so it is kept for who wrote it.
    failover: Value,
    /// Likewise: only its kind would matter, and it has to be none.
    template: Value,
}

impl Definition {
    pub(super) fn of(body: &Value) -> Result<Self, Problem> {
        let input = Input::of(body)?;
        let none = Value::Null;
        let part =
            |input: &Input<'_>, names: &[&str]| input.get(names).cloned().unwrap_or_default();
        let service = Input::of(input.get(&["service"]).unwrap_or(&none))?;
        let template = part(&input, &["template"]);
        let dns = Input::of(input.get(&["dns"]).unwrap_or(&none))?;
        match Input::of(&template)?.text(&["type"])? {
            "" => {}
            kind => {
                return Err(Problem::bad(format!(
                    "Bad Template.Type '{kind}': queries here have none"
                )));
            }
        }
        if !input.text(&["session"])?.is_empty() {
            return Err(Problem::bad("queries here do not end with a session"));
        }
        if service.text(&["service"])?.is_empty() {
            return Err(Problem::bad("Must provide a Service name to query"));
        }
        if service.truth(&["connect"])? {
            return Err(Problem::bad("there are no services of a mesh here"));
        }
        let ttl = dns.text(&["ttl"])?;
        if !ttl.is_empty() && duration::parse(ttl).is_none() {
            return Err(Problem::bad(format!("Bad DNS TTL '{ttl}': invalid duration")));
        }
        Ok(Self {
            name: input.text(&["name"])?.to_owned(),
            service: service.text(&["service"])?.to_owned(),
            tags: service.texts(&["tags"])?,
            only_passing: service.truth(&["onlypassing"])?,
            ignored_checks: service.texts(&["ignorecheckids"])?,
            near: service.name(&["near"])?,
            node_meta: service.pairs(&["nodemeta"])?,
            service_meta: service.pairs(&["servicemeta"])?,
            ttl: ttl.to_owned(),
            failover: part(&service, &["failover"]),
            template,
        })
    }

    /// As it is kept, and shown.
    pub(super) fn shown(&self, id: &str) -> Value {
        let list = |names: &[Name]| match names {
            [] => Value::Null,
            _ => names.iter().map(|it| &**it).collect::<Vec<_>>().into(),
        };
        let pairs = |pairs: &Pairs| match pairs.is_empty() {
            true => Value::Null,
            false => json!(Texts(pairs)),
        };
        json!({
            "ID": id,
            "Name": self.name,
            "Session": "",
            // Nothing here asks in its name, and whoever may look would see it.
            "Token": "",
            "Template": self.template,
            "Service": {
                "Service": self.service,
                "Failover": self.failover,
                "OnlyPassing": self.only_passing,
                "IgnoreCheckIDs": list(&self.ignored_checks),
                "Near": &*self.near,
                "Tags": list(&self.tags),
                "NodeMeta": pairs(&self.node_meta),
                "ServiceMeta": pairs(&self.service_meta),
                "Connect": false,
            },
            "DNS": { "TTL": self.ttl },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Definition;

    #[test]
    fn what_is_kept_says_the_same() {
        let body = json!({
            "Name": "q", "dns": { "ttl": "10s" },
            "Service": {
                "Service": "web", "Tags": ["a", "!b"], "OnlyPassing": true,
                "NodeMeta": { "os": "linux" }, "Failover": { "NearestN": 3 },
            },
        });
        let kept = Definition::of(&body).unwrap().shown("1");
        assert_eq!(kept["Service"]["Tags"], json!(["a", "!b"]));
        assert_eq!(kept["Service"]["Failover"]["NearestN"], 3);
        assert_eq!(Definition::of(&kept).unwrap().shown("1"), kept);
    }

    #[test]
    fn what_would_not_be_done_is_refused() {
        for body in [
            json!({ "Name": "q" }),
            json!({ "Service": { "Service": "web" }, "Session": "s" }),
            json!({ "Service": { "Service": "web" }, "Template": { "Type": "name_prefix_match" } }),
            json!({ "Service": { "Service": "web", "Connect": true } }),
            json!({ "Service": { "Service": "web" }, "DNS": { "TTL": "soon" } }),
        ] {
            assert!(Definition::of(&body).is_err(), "{body}");
        }
    }
}
