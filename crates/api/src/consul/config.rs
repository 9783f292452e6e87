//! `/v1/config`: settings for the services of a mesh. Tools of Consul's write them down and read them back;
//! nothing here acts by them.

use serde_json::{Map, Value};
use state::auth::acl::Resource;

use super::answer::{Answer, Outcome};
use super::asked::Asked;
use super::input::Input;
use super::kept::{Condition, Kept, Kind, field};
use super::problem::Problem;

const ENTRIES: Kind = Kind("config", |it| Some(resource(field(it, "Kind"), field(it, "Name"))));

/// What is about a service is its own; all else is the mesh's.
fn resource<'a>(kind: &str, name: &'a str) -> Resource<'a> {
    if kind.starts_with("service-") { Resource::Service(name) } else { Resource::Mesh }
}

/// What Consul has a meaning for.
const KINDS: &[&str] = &[
    "api-gateway",
    "bound-api-gateway",
    "control-plane-request-limit",
    "exported-services",
    "file-system-certificate",
    "http-route",
    "ingress-gateway",
    "inline-certificate",
    "jwt-provider",
    "mesh",
    "proxy-defaults",
    "rate-limit-ip",
    "sameness-group",
    "service-defaults",
    "service-intentions",
    "service-resolver",
    "service-router",
    "service-splitter",
    "tcp-route",
    "terminating-gateway",
];

/// `?cas=`, where it is.
fn condition(asked: &Asked) -> Result<Option<Condition>, Problem> {
    Ok(asked.parameters.number("cas")?.map(Condition::Index))
}

fn known(kind: &str) -> Result<(), Problem> {
    match kind {
        "" => Err(Problem::bad("Missing config entry kind")),
        _ if KINDS.contains(&kind) => Ok(()),
        _ => Err(Problem::bad(format!("invalid config entry kind: {kind}"))),
    }
}

/// `PUT /v1/config`
pub(super) async fn set(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    let (kind, name) = (input.text(&["kind"])?, input.text(&["name"])?);
    known(kind)?;
    // There is one of these, and Consul names it.
    let name = match (kind, name) {
        ("proxy-defaults", "") => "global",
        ("mesh", _) => "mesh",
        (_, "") => return Err(Problem::bad("Missing config entry name")),
        (_, name) => name,
    };
    let mut entry: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
    entry.retain(|field, _| {
        !["kind", "name", "createindex", "modifyindex"].contains(&&*field.to_lowercase())
    });
    entry.insert("Kind".to_owned(), kind.into());
    entry.insert("Name".to_owned(), name.into());
    let condition = condition(asked)?.unwrap_or(Condition::Always);
    let name = format!("{kind}/{name}");
    Ok(Answer::json(&ENTRIES.keep(asked, &name, &entry.into(), condition).await?))
}

fn shown(entry: Kept) -> Value {
    let mut value = entry.value;
    value["CreateIndex"] = entry.created.get().into();
    value["ModifyIndex"] = entry.modified.get().into();
    value
}

/// `GET /v1/config/:kind` and `GET /v1/config/:kind/:name`
pub(super) async fn get(asked: &Asked) -> Outcome {
    let path = asked.name("config entry kind")?;
    let (kind, name) = path.split_once('/').unwrap_or((&path, ""));
    known(kind)?;
    if name.is_empty() {
        if asked.parameters.get("filter").is_some_and(|filter| !filter.is_empty()) {
            return Err(Problem::bad("config entries are not filtered here"));
        }
        let (found, meta) = ENTRIES.all(asked, &format!("{kind}/")).await?;
        return Ok(Answer::json(&found.into_iter().map(shown).collect::<Vec<_>>()).at(meta));
    }
    let (found, meta) = ENTRIES.one(asked, &path).await?;
    Ok(match found {
        Some(entry) => Answer::json(&shown(entry)).at(meta),
        None => {
            let text = format!("Config entry not found for {kind:?} / {name:?}");
            Answer::from(Problem::not_found(text)).at(meta)
        }
    })
}

/// `DELETE /v1/config/:kind/:name`
pub(super) async fn remove(asked: &Asked) -> Outcome {
    let path = asked.name("config entry kind")?;
    let (kind, name) = path.split_once('/').unwrap_or((&path, ""));
    known(kind)?;
    if name.is_empty() {
        return Err(Problem::bad("Must provide both a kind and name to delete"));
    }
    match condition(asked)? {
        Some(condition) => Ok(Answer::json(&ENTRIES.drop(asked, &path, condition).await?)),
        None => {
            ENTRIES.drop(asked, &path, Condition::Always).await?;
            Ok(Answer::json(&Value::Object(Map::new())))
        }
    }
}
