//! Checks that programs make known and report to.

use std::collections::BTreeMap;

use node::{Beat, Topic};
use state::registry::{Name, Registration, RegistryCommand, Status, Target};

use super::place;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::definition::{self, Of};
use crate::consul::filter::shape;
use crate::consul::home::SERF;
use crate::consul::input::Input;
use crate::consul::problem::Problem;
use crate::consul::show;

/// `GET /v1/agent/checks`: those of this server's node.
pub(in crate::consul) async fn checks(asked: &Asked) -> Outcome {
    let own: Name = asked.home.record().name.as_str().into();
    let filter = asked.filter(&shape::HEALTH_CHECK)?;
    let question = asked.registry(Topic::Node(own.clone()), |view| view.checks_on(&own));
    let (found, meta) = question.await?;
    let mut map: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
    for named in found.iter().filter(|it| &*it.check.id != SERF) {
        let value = serde_json::to_value(show::named_check(named)).unwrap_or_default();
        if filter.matches(&value) {
            map.insert(&named.check.id, value);
        }
    }
    Ok(Answer::json(&map).at(meta))
}

/// `PUT /v1/agent/check/register`
pub(in crate::consul) async fn register_check(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    let own = asked.home.node();
    let (mut node, service) = (own.name.clone(), input.text(&["serviceid"])?);
    if !service.is_empty() {
        let known = place::instance(asked, service).await.map_err(|problem| {
            // The words clients know from here.
            let text = format!("ServiceID {service:?} does not exist");
            if problem.status == 404 { Problem::not_found(text) } else { problem }
        })?;
        node = known.node;
    }
    let of = Of { node: &node, instance: service, id: String::new(), name: String::new() };
    let mut check = definition::agent_check(&input, of, asked.handle().check_networks())?;
    check.keep_status = true;
    let registration = Registration {
        node: state::registry::Node { name: node, ..own },
        skip_node_update: true,
        instance: None,
        checks: vec![check],
        replace_checks: false,
    };
    asked.change(RegistryCommand::Register(Box::new(registration))).await?;
    Ok(Answer::done())
}

/// `PUT /v1/agent/check/deregister/:id`
pub(in crate::consul) async fn deregister_check(asked: &Asked) -> Outcome {
    let id = asked.name("check ID")?;
    let (key, _) = place::check(asked, &id).await?;
    asked.change(RegistryCommand::Deregister(Target::Check(key))).await?;
    Ok(Answer::done())
}

/// `PUT /v1/agent/check/pass/:id`
pub(in crate::consul) async fn pass(asked: &Asked) -> Outcome {
    word(asked, Status::Passing).await
}

/// `PUT /v1/agent/check/warn/:id`
pub(in crate::consul) async fn warn(asked: &Asked) -> Outcome {
    word(asked, Status::Warning).await
}

/// `PUT /v1/agent/check/fail/:id`
pub(in crate::consul) async fn fail(asked: &Asked) -> Outcome {
    word(asked, Status::Critical).await
}

async fn word(asked: &Asked, status: Status) -> Outcome {
    let output = asked.parameters.get("note").unwrap_or_default();
    report(asked, status, output).await
}

/// `PUT /v1/agent/check/update/:id`
pub(in crate::consul) async fn update(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    let status = definition::parse_status(input.text(&["status"])?)?;
    report(asked, status, input.text(&["output"])?).await
}

/// What a program says of its check. The leader's clock hears it; it becomes a write only where it says
/// something new.
async fn report(asked: &Asked, status: Status, output: &str) -> Outcome {
    let id = asked.name("check ID")?;
    let (check, known) = place::check(asked, &id).await?;
    if known.check.definition.ttl_ms == 0 {
        return Err(Problem::not_found(format!("CheckID {id:?} does not have associated TTL")));
    }
    let output = shortened(output);
    let news = match asked.caller().beat(&check, status).await? {
        Beat::Unknown => {
            return Err(Problem::not_found(format!("Unknown check ID {id:?}")));
        }
        Beat::Stands(status) => Some(status),
        Beat::Counted if *output != *known.check.output => Some(known.check.status),
        Beat::Counted => None,
    };
    if let Some(status) = news {
        let output = Some(output.into());
        asked.change(RegistryCommand::UpdateCheck { check, status, output }).await?;
    }
    Ok(Answer::done())
}

/// What is longer than what is kept is cut, as Consul does.
fn shortened(output: &str) -> &str {
    let mut end = output.len().min(types::limits::REGISTRY_TEXT_BYTES);
    while !output.is_char_boundary(end) {
        end -= 1;
    }
    &output[..end]
}
