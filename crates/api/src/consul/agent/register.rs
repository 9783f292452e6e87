//! Instances come and go.

use serde_json::Value;
use state::registry::{CheckRegistration, Registration, RegistryCommand, Target};

use super::place;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::definition::{self, Of};
use crate::consul::input::Input;

/// `PUT /v1/agent/service/register`
pub(in crate::consul) async fn register(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    let own = asked.home.node();
    let mut instance = definition::instance(&input, &own.name)?;
    let node = place::home_of(asked, &instance).await?;
    instance.node = node.clone();
    let mut all: Vec<&Value> = Vec::new();
    all.extend(input.get(&["check"]).filter(|it| is_something(it)));
    all.extend(input.list(&["checks"])?.iter().filter(|it| is_something(it)));
    let mut checks: Vec<CheckRegistration> = Vec::new();
    for (value, number) in all.iter().zip(1..) {
        let id = match all.len() {
            1 => format!("service:{}", instance.id),
            _ => format!("service:{}:{number}", instance.id),
        };
        let name = format!("Service '{}' check", instance.service);
        let of = Of { node: &node, instance: &instance.id, id, name };
        let mut check =
            definition::agent_check(&Input::of(value)?, of, asked.handle().check_networks())?;
        // It is this service's, whatever it says.
        check.check.instance = instance.id.clone();
        check.keep_status = true;
        checks.push(check);
    }
    let registration = Registration {
        node: state::registry::Node { name: node, ..own },
        skip_node_update: true,
        instance: Some(instance),
        checks,
        replace_checks: asked.parameters.flag("replace-existing-checks"),
    };
    asked.change(RegistryCommand::Register(Box::new(registration))).await?;
    Ok(Answer::done())
}

/// Some clients send `"Check": {}` for none.
fn is_something(check: &Value) -> bool {
    check.as_object().is_none_or(|object| object.values().any(|value| !value.is_null()))
        && !check.is_null()
}

/// `PUT /v1/agent/service/deregister/:id`
pub(in crate::consul) async fn deregister(asked: &Asked) -> Outcome {
    let id = asked.name("service ID")?;
    let key = place::instance(asked, &id).await?;
    asked.change(RegistryCommand::Deregister(Target::Instance(key))).await?;
    Ok(Answer::done())
}
