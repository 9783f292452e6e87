//! Checks that stand for how something else is: an instance with the node it is on, or a node.

use std::sync::Arc;

use probe::{Outcome, Standing};
use state::registry::{Check, Name, Registries, Status};

/// How what an alias stands for is, in Consul's words.
pub(super) fn look(registry: Registries<'_>, alias: &Check, node: &str, service: &str) -> Outcome {
    let namespace = &alias.namespace;
    let at: Name = if !node.is_empty() {
        node.into()
    } else if service.is_empty() || registry.checks_about(&alias.node, namespace, service).is_some()
    {
        Name::clone(&alias.node)
    } else {
        // Any server is every program's agent: an instance is meant wherever it is, if there is only one.
        match registry.instance_nodes(namespace, service, 2).as_slice() {
            [only] => Name::clone(only),
            _ => Name::clone(&alias.node),
        }
    };
    let Some(checks) = registry.checks_about(&at, namespace, service) else {
        let output = if service.is_empty() {
            format!("Node {at} could not be found")
        } else {
            format!("Service {service} could not be found on node {at}")
        };
        return Outcome { standing: Standing::Critical, output };
    };
    judge(checks.iter().filter(|check| check.key() != alias.key()))
}

/// The worst of them, by the first that is so.
fn judge<'a>(checks: impl Iterator<Item = &'a Arc<Check>>) -> Outcome {
    let mut found: Option<&Check> = None;
    for check in checks {
        if found.is_none_or(|worst| worst.status < check.status) {
            found = Some(check);
        }
    }
    let Some(worst) = found else {
        return Outcome { standing: Standing::Passing, output: "No checks found.".to_owned() };
    };
    let standing = match worst.status {
        Status::Passing => Standing::Passing,
        Status::Warning => Standing::Warning,
        Status::Critical => Standing::Critical,
    };
    let output = match standing {
        Standing::Passing => "All checks passing.".to_owned(),
        // Not with what that check said: two that stand for each other would say more and more.
        _ => format!("Aliased check {:?} failing", worst.name),
    };
    Outcome { standing, output }
}
