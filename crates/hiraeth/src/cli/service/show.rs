use std::collections::BTreeMap;

use client::{Instance, Standing};
use serde::Serialize;

use crate::cli::table::Table;
use crate::cli::text;

/// An instance as JSON.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    namespace: &'a str,
    service: &'a str,
    id: &'a str,
    node: &'a str,
    address: &'a str,
    port: u16,
    tags: &'a [String],
    meta: BTreeMap<&'a str, &'a str>,
    weight: u32,
    zone: &'a str,
    status: &'static str,
}

pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Passing => "passing",
        Standing::Warning => "warning",
        Standing::Critical => "critical",
    }
}

impl<'a> Shown<'a> {
    pub(super) fn new(instance: &'a Instance) -> Self {
        Self {
            namespace: &instance.namespace,
            service: &instance.service,
            id: &instance.id,
            node: &instance.node,
            address: &instance.address,
            port: instance.port,
            tags: &instance.tags,
            meta: instance.meta.iter().map(|(key, it)| (key.as_str(), it.as_str())).collect(),
            weight: instance.weight,
            zone: &instance.zone,
            status: standing(instance.standing),
        }
    }
}

pub(super) fn table<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Table {
    let mut table = Table::new(&["ID", "NODE", "ENDPOINT", "STATUS", "WEIGHT", "ZONE", "TAGS"]);
    let shown = |text: &str| match text {
        "" => "-".to_owned(),
        text => text::shown(text.as_bytes()),
    };
    for instance in instances {
        table.row([
            shown(&instance.id),
            shown(&instance.node),
            instance.endpoint(),
            standing(instance.standing).to_owned(),
            instance.weight.to_string(),
            shown(&instance.zone),
            shown(&instance.tags.join(",")),
        ]);
    }
    table
}
