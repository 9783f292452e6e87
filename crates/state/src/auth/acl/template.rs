//! Consul's templated policies: rules with a name left open, always there and the same.

use super::model::{Identity, IdentityKind};
use super::rules::Rules;

/// Where the name goes.
const NAME: &str = "{{.Name}}";
/// What variables a template with a name takes, as JSON Schema.
const SCHEMA: &str = r##"{
	"type": "object",
	"properties": {
		"name": { "type": "string", "$ref": "#/definitions/min-length-one" }
	},
	"required": ["name"],
	"definitions": {
		"min-length-one": { "type": "string", "minLength": 1 }
	}
}"##;

/// A templated policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Template {
    /// As clients call it.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// Its rules, with the name left open.
    pub text: &'static str,
    /// The identities that it makes.
    pub kind: IdentityKind,
}

/// All of them, by name.
pub const TEMPLATES: [Template; 6] = [
    Template {
        name: "builtin/api-gateway",
        description: "An API gateway: it registers itself and routes to all services",
        text: r#"mesh = "read"
node_prefix "" {
	policy = "read"
}
service_prefix "" {
	policy = "read"
}
service "{{.Name}}" {
	policy = "write"
}
"#,
        kind: IdentityKind::ApiGatewayTemplate,
    },
    Template {
        name: "builtin/dns",
        description: "Whoever answers DNS: it sees all nodes, services and queries",
        text: r#"node_prefix "" {
	policy = "read"
}
service_prefix "" {
	policy = "read"
}
query_prefix "" {
	policy = "read"
}
"#,
        kind: IdentityKind::DnsTemplate,
    },
    Template {
        name: "builtin/node",
        description: "A node: it registers itself and finds services",
        text: r#"node "{{.Name}}" {
	policy = "write"
}
service_prefix "" {
	policy = "read"
}
"#,
        kind: IdentityKind::NodeTemplate,
    },
    Template {
        name: "builtin/nomad-client",
        description: "A Nomad client: it registers what it runs, and reads keys for it",
        text: r#"agent_prefix "" {
	policy = "read"
}
node_prefix "" {
	policy = "read"
}
service_prefix "" {
	policy = "write"
}
key_prefix "" {
	policy = "read"
}
"#,
        kind: IdentityKind::NomadClientTemplate,
    },
    Template {
        name: "builtin/nomad-server",
        description: "A Nomad server: it makes tokens and registers services",
        text: r#"acl  = "write"
agent_prefix "" {
	policy = "read"
}
node_prefix "" {
	policy = "read"
}
service_prefix "" {
	policy = "write"
}
"#,
        kind: IdentityKind::NomadServerTemplate,
    },
    Template {
        name: "builtin/service",
        description: "A service: it and its sidecar register themselves and find others",
        text: r#"service "{{.Name}}" {
	policy = "write"
}
service "{{.Name}}-sidecar-proxy" {
	policy = "write"
}
service_prefix "" {
	policy = "read"
}
node_prefix "" {
	policy = "read"
}
"#,
        kind: IdentityKind::ServiceTemplate,
    },
];

impl Template {
    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TEMPLATES.iter().find(|it| it.name == name)
    }

    /// The one that makes such identities.
    #[must_use]
    pub fn of(kind: IdentityKind) -> Option<&'static Self> {
        TEMPLATES.iter().find(|it| it.kind == kind)
    }

    /// Whether there is a name to be given.
    #[must_use]
    pub fn takes_name(&self) -> bool {
        self.text.contains(NAME)
    }

    /// Its variables as JSON Schema; empty where it takes none.
    #[must_use]
    pub fn schema(&self) -> &'static str {
        if self.takes_name() { SCHEMA } else { "" }
    }

    /// The rules for a name, which has to be one that identities may have.
    #[must_use]
    pub fn text_for(&self, name: &str) -> String {
        self.text.replace(NAME, name)
    }
}

impl Identity {
    /// What it gives, if it is of a template.
    pub(super) fn rules(&self) -> Option<Rules> {
        let text = Template::of(self.kind)?.text_for(&self.name);
        // Names are checked before they come here; what slipped through gives nothing.
        Rules::parse(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Rules, TEMPLATES, Template};

    #[test]
    fn every_template_is_rules_for_every_name_and_is_found_by_name_and_kind() {
        for template in &TEMPLATES {
            let rules = Rules::parse(&template.text_for("a-b_C1")).unwrap();
            assert_ne!(rules, Rules::default());
            assert_eq!(Template::named(template.name), Some(template));
            assert_eq!(Template::of(template.kind), Some(template));
        }
    }
}
