//! How instances stand, as a status of HTTP: what load balancers and scripts ask.

use hyper::StatusCode;
use node::{Consistency, Scope};
use serde_json::{Value, json};
use state::auth::acl::{Access, Resource, View};
use state::registry::query::Member;
use state::registry::{DEFAULT_NAMESPACE, InstanceKey, Name, Status};

use super::place;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::show;

/// `GET /v1/agent/health/service/id/:id`
pub(in crate::consul) async fn service_by_id(asked: &Asked) -> Outcome {
    let id = asked.name("service ID")?;
    let missing = || {
        let text = format!("ServiceId {id} not found");
        answer(asked, None, Value::Null, text, StatusCode::NOT_FOUND)
    };
    let Ok(key) = place::instance(asked, &id).await else { return Ok(missing()) };
    let look = |view: &View<'_>| (view.member(&key), view.hid_something());
    let (found, hid) = asked.caller().registry(&Scope::Whole, Consistency::Stale, look).await?.body;
    let Some(member) = found else {
        return if hid { Err(place::hidden(&id)) } else { Ok(missing()) };
    };
    let status = member.status();
    Ok(answer(asked, Some(status), told(asked, &member), String::new(), StatusCode::OK))
}

/// `GET /v1/agent/health/service/name/:name`
pub(in crate::consul) async fn service_by_name(asked: &Asked) -> Outcome {
    let name = asked.name("service name")?;
    asked.need(Resource::Service(&name), Access::Read).await?;
    let own: Name = asked.home.record().name.as_str().into();
    let look = |view: &View<'_>| {
        let instances = view.instances_on(&own).value;
        let wanted = instances
            .iter()
            .filter(|it| *it.service == *name && *it.namespace == *DEFAULT_NAMESPACE);
        let keys = wanted.map(|it| InstanceKey::new(&own, DEFAULT_NAMESPACE, &it.id));
        keys.filter_map(|key| view.member(&key)).collect::<Vec<Member>>()
    };
    let found = asked.caller().registry(&Scope::Whole, Consistency::Stale, look).await?.body;
    let Some(worst) = found.iter().map(Member::status).max() else {
        let text = format!("ServiceName {name} Not Found");
        return Ok(answer(asked, None, json!([]), text, StatusCode::NOT_FOUND));
    };
    let all = found.iter().map(|member| told(asked, member)).collect();
    Ok(answer(asked, Some(worst), all, String::new(), StatusCode::OK))
}

fn told(asked: &Asked, member: &Member) -> Value {
    let of = |check: &state::registry::Check| {
        let instance = (!check.is_of_node()).then_some(&*member.instance);
        serde_json::to_value(show::check(check, instance)).unwrap_or_default()
    };
    let checks: Vec<Value> = member.checks.iter().map(|check| of(check)).collect();
    json!({
        "AggregatedStatus": show::status(member.status()),
        "Service": show::agent_instance(&member.instance, asked.home.datacenter()),
        "Checks": checks,
    })
}

fn answer(
    asked: &Asked,
    status: Option<Status>,
    body: Value,
    text: String,
    code: StatusCode,
) -> Answer {
    let code = match status {
        None => code,
        Some(Status::Passing) => StatusCode::OK,
        Some(Status::Warning) => StatusCode::TOO_MANY_REQUESTS,
        Some(Status::Critical) => StatusCode::SERVICE_UNAVAILABLE,
    };
    if asked.parameters.get("format") == Some("text") || asked.wants_text {
        let text = status.map_or(text, |status| show::status(status).to_owned());
        return Answer::text(text).status(code);
    }
    Answer::json(&body).status(code)
}
