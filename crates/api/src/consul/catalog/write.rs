use serde_json::Value;
use state::registry::{
    CheckKey, CheckRegistration, DEFAULT_NAMESPACE, InstanceKey, Registration, RegistryCommand,
    Target,
};

use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::definition;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// Refuses what is meant for a place that is not here.
fn is_here(asked: &Asked, input: &Input<'_>) -> Result<(), Problem> {
    let named = input.text(&["datacenter"])?;
    if named.is_empty() || named == asked.home.datacenter() {
        return Ok(());
    }
    Err(Problem::failed("No path to datacenter"))
}

/// `PUT /v1/catalog/register`
pub(in crate::consul) async fn register(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    is_here(asked, &input)?;
    let name = input.name(&["node"])?;
    let address = input.name(&["address"])?;
    let skip_node_update = input.truth(&["skipnodeupdate"])?;
    if name.is_empty() || (address.is_empty() && !skip_node_update) {
        return Err(Problem::bad("Must provide a node name and an address"));
    }
    let node = definition::node(&input, &name)?;
    let service = input.get(&["service"]).filter(|it| !it.is_null());
    let instance = match service {
        None => None,
        Some(service) => Some(definition::instance(&Input::of(service)?, &name)?),
    };
    let mut all: Vec<&Value> = Vec::new();
    all.extend(input.get(&["check"]));
    all.extend(input.list(&["checks"])?);
    let mut checks: Vec<CheckRegistration> = Vec::new();
    for value in all {
        let check = definition::catalog_check(&Input::of(value)?, &name)?;
        checks.push(CheckRegistration { check, keep_status: false });
    }
    let registration =
        Registration { node, skip_node_update, instance, checks, replace_checks: false };
    asked.change(RegistryCommand::Register(Box::new(registration))).await?;
    Ok(Answer::json(&true))
}

/// `PUT /v1/catalog/deregister`
pub(in crate::consul) async fn deregister(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    is_here(asked, &input)?;
    let node = input.text(&["node"])?;
    if node.is_empty() {
        return Err(Problem::bad("Must provide node"));
    }
    let (service, check) = (input.text(&["serviceid"])?, input.text(&["checkid"])?);
    let target = match (service, check) {
        ("", "") => Target::Node(node.into()),
        ("", check) => Target::Check(CheckKey::new(node, DEFAULT_NAMESPACE, check)),
        (service, _) => Target::Instance(InstanceKey::new(node, DEFAULT_NAMESPACE, service)),
    };
    asked.change(RegistryCommand::Deregister(target)).await?;
    Ok(Answer::json(&true))
}
