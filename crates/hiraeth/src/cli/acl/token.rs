use serde_json::{Value, json};

use super::ask::{Door, escaped};
use super::show;
use crate::cli::output::Format;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a token; its secret is shown this once.
    Create {
        /// For people.
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        #[command(flatten)]
        links: Links,
        /// For how long it counts, as 90m or 24h [default: for ever].
        #[arg(long, value_name = "TIME")]
        ttl: Option<String>,
    },
    /// List all tokens.
    List,
    /// Show a token; `self` is the one that asks.
    Read {
        /// Its accessor id.
        id: String,
    },
    /// Remove a token. What it was used for ends at once.
    Delete {
        /// Its accessor id.
        id: String,
    },
}

/// What a token or a role has.
#[derive(clap::Args)]
pub(super) struct Links {
    /// A policy, by its name.
    #[arg(long = "policy", value_name = "NAME")]
    policies: Vec<String>,
    /// It is this service: it registers itself and finds others.
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// It is this node of this datacenter.
    #[arg(long = "node", value_name = "NAME:DATACENTER")]
    nodes: Vec<String>,
    /// A templated policy, as builtin/service:web or builtin/dns.
    #[arg(long = "template", value_name = "TEMPLATE[:NAME]")]
    templates: Vec<String>,
    /// A role, by its name (tokens only).
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
}

impl Links {
    pub(super) fn fill(&self, value: &mut Value) {
        let named = |names: &[String]| names.iter().map(|name| json!({ "Name": name })).collect();
        value["Policies"] = named(&self.policies);
        value["Roles"] = named(&self.roles);
        let services = self.services.iter().map(|name| json!({ "ServiceName": name }));
        value["ServiceIdentities"] = services.collect();
        let nodes = self.nodes.iter().map(|name| {
            let (name, place) = name.split_once(':').unwrap_or((name, ""));
            json!({ "NodeName": name, "Datacenter": place })
        });
        value["NodeIdentities"] = nodes.collect();
        let templates = self.templates.iter().map(|text| {
            let (template, name) = text.split_once(':').unwrap_or((text, ""));
            json!({ "TemplateName": template, "TemplateVariables": { "Name": name } })
        });
        value["TemplatedPolicies"] = templates.collect();
    }
}

pub(super) async fn run(door: &Door, command: Command, format: Format) -> anyhow::Result<()> {
    match command {
        Command::Create { description, links, ttl } => {
            let mut body = json!({ "Description": description });
            links.fill(&mut body);
            if let Some(ttl) = ttl {
                body["ExpirationTTL"] = ttl.into();
            }
            show::token(&door.ask("PUT", "token", Some(body)).await?, format)
        }
        Command::List => show::tokens(&door.ask("GET", "tokens", None).await?, format),
        Command::Read { id } => {
            show::token(&door.ask("GET", &format!("token/{}", escaped(&id)), None).await?, format)
        }
        Command::Delete { id } => {
            show::done(&door.ask("DELETE", &format!("token/{}", escaped(&id)), None).await?, format)
        }
    }
}
