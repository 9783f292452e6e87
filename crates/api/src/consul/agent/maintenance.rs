//! Taking an instance, or all of a node, out of service without forgetting it.

use state::registry::{
    Check, CheckKey, CheckRegistration, DEFAULT_NAMESPACE, Definition, Name, Registration,
    RegistryCommand, Status, Target, TimerId,
};
use types::Revision;

use super::place;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::problem::Problem;

fn wanted(asked: &Asked) -> Result<bool, Problem> {
    match asked.parameters.get("enable") {
        None | Some("") => Err(Problem::bad("Missing value for enable")),
        Some("true" | "1" | "t" | "True" | "TRUE" | "T") => Ok(true),
        Some("false" | "0" | "f" | "False" | "FALSE" | "F") => Ok(false),
        Some(other) => Err(Problem::bad(format!("Invalid value for enable: {other:?}"))),
    }
}

/// `PUT /v1/agent/service/maintenance/:id`
pub(in crate::consul) async fn service_maintenance(asked: &Asked) -> Outcome {
    let enable = wanted(asked)?;
    let id = asked.name("service ID")?;
    let key = place::instance(asked, &id).await?;
    let reason = "Maintenance mode is enabled for this service, but no reason was provided. This is a \
                  default message.";
    let words = Words { name: "Service Maintenance Mode", reason };
    let check = format!("_service_maintenance:{}", key.id);
    let check = CheckKey::new(&key.node, DEFAULT_NAMESPACE, &check);
    set(asked, enable, check, &key.id, words).await
}

/// `PUT /v1/agent/maintenance`
pub(in crate::consul) async fn node_maintenance(asked: &Asked) -> Outcome {
    let enable = wanted(asked)?;
    let key = CheckKey::new(&asked.home.record().name, DEFAULT_NAMESPACE, "_node_maintenance");
    let reason = "Maintenance mode is enabled for this node, but no reason was provided. This is a \
                  default message.";
    set(asked, enable, key, "", Words { name: "Node Maintenance Mode", reason }).await
}

struct Words {
    name: &'static str,
    reason: &'static str,
}

async fn set(asked: &Asked, enable: bool, key: CheckKey, instance: &str, words: Words) -> Outcome {
    let command = if enable {
        let reason = asked.parameters.get("reason").filter(|text| !text.is_empty());
        let check = Check {
            node: key.node.clone(),
            namespace: key.namespace,
            id: key.id,
            instance: instance.into(),
            name: words.name.into(),
            status: Status::Critical,
            notes: reason.unwrap_or(words.reason).into(),
            output: "".into(),
            kind: "maintenance".into(),
            definition: Definition::default(),
            timer: TimerId(0),
            created: Revision(0),
            modified: Revision(0),
        };
        RegistryCommand::Register(Box::new(Registration {
            node: state::registry::Node { name: Name::clone(&key.node), ..asked.home.node() },
            skip_node_update: true,
            instance: None,
            checks: vec![CheckRegistration { check, keep_status: false }],
            replace_checks: false,
        }))
    } else {
        RegistryCommand::Deregister(Target::Check(key))
    };
    asked.change(command).await?;
    Ok(Answer::done())
}
