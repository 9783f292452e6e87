//! `/v1/acl/auth-method`

use node::Granted;
use serde_json::{Map, Value};
use state::auth::Demand;
use state::auth::acl::{Access, AclCommand, AclId, AclMethod, Resource};

use super::login::Way;
use super::{ask, write};
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::duration;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// A method whose tokens end sooner is of no use.
const SHORTEST_MS: u64 = 1_000;
/// What of a configuration only who may change it is shown.
const HIDDEN: &str = "ServiceAccountJWT";

fn missing() -> Problem {
    Problem::not_found("Requested auth method does not exist: ACL not found")
}

fn bad(text: &str) -> Problem {
    Problem::bad(format!("Invalid Auth Method: {text}"))
}

/// Whole, or as in a list, without what is its type's own.
fn show(name: &str, method: &AclMethod, config: Option<Value>) -> Value {
    let mut shown = Map::new();
    let mut put = |field: &str, value: Value| shown.insert(field.to_owned(), value);
    put("Name", name.into());
    put("Type", (&*method.kind).into());
    for (field, text) in [
        ("DisplayName", &method.display_name),
        ("Description", &method.description),
        ("TokenNameFormat", &method.name_format),
    ] {
        if !text.is_empty() {
            put(field, (&**text).into());
        }
    }
    if method.max_ttl_ms > 0 {
        let ttl = std::time::Duration::from_millis(method.max_ttl_ms);
        put("MaxTokenTTL", duration::format(ttl).into());
    }
    put("TokenLocality", if method.local { "local" } else { "global" }.into());
    if let Some(config) = config {
        put("Config", config);
    }
    put("CreateIndex", method.create_index.into());
    put("ModifyIndex", method.modify_index.into());
    Value::Object(shown)
}

/// As it was written; what lets in as somebody else is for who may change it.
async fn config(asked: &Asked, method: &AclMethod) -> Result<Value, Problem> {
    let mut config: Value = serde_json::from_str(&method.config).unwrap_or_default();
    let judge = asked.caller().judge(true).await?;
    if !judge.may(Demand::Resource(Resource::Acl, Access::Write)) {
        for (name, value) in config.as_object_mut().into_iter().flatten() {
            if name.eq_ignore_ascii_case(HIDDEN) {
                *value = "<hidden>".into();
            }
        }
    }
    Ok(config)
}

/// `GET /v1/acl/auth-methods`
pub(in crate::consul) async fn methods(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let all = granted.auth.acl.methods.iter();
    let shown: Vec<_> = all.map(|(name, it)| show(name, it, None)).collect();
    Ok(ask::at(&granted.auth, Answer::json(&shown)))
}

/// `GET /v1/acl/auth-method/:name`
pub(in crate::consul) async fn method(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let name = asked.name("auth method name")?;
    let known = granted.auth.acl.methods.get(&*name).ok_or_else(missing)?;
    let shown = show(&name, known, Some(config(asked, known).await?));
    Ok(ask::at(&granted.auth, Answer::json(&shown)))
}

/// `PUT /v1/acl/auth-method`
pub(in crate::consul) async fn create_method(asked: &Asked) -> Outcome {
    let granted = ask::writable(asked).await?;
    let body = write::body(asked)?;
    let input = Input::of(&body)?;
    let name = input.text(&["name"])?;
    if name.is_empty() {
        return Err(bad("no Name is set"));
    }
    set(asked, &granted, &input, name.into()).await
}

/// `PUT /v1/acl/auth-method/:name`
pub(in crate::consul) async fn update_method(asked: &Asked) -> Outcome {
    let granted = ask::writable(asked).await?;
    let name = asked.name("auth method name")?;
    let body = write::body(asked)?;
    let input = Input::of(&body)?;
    let given = input.text(&["name"])?;
    if !given.is_empty() && given != name {
        return Err(Problem::bad("AuthMethod name in URL and payload do not match"));
    }
    set(asked, &granted, &input, name.into()).await
}

async fn set(asked: &Asked, granted: &Granted, input: &Input<'_>, id: AclId) -> Outcome {
    let known = granted.auth.acl.methods.get(&id);
    let kind = match (input.text(&["type"])?, known) {
        ("", None) => return Err(bad("no Type is set")),
        ("", Some(known)) => &*known.kind,
        (given, _) => given,
    };
    if !input.list(&["namespacerules"])?.is_empty() {
        return Err(bad("NamespaceRules are of Consul Enterprise"));
    }
    let local = match input.text(&["tokenlocality"])? {
        "" | "local" => true,
        "global" => false,
        _ => return Err(bad("TokenLocality should be one of 'local' or 'global'")),
    };
    let ttl = input.duration(&["maxtokenttl"])?.unwrap_or_default();
    let max_ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    if !ttl.is_zero() && max_ttl_ms < SHORTEST_MS {
        return Err(bad("MaxTokenTTL cannot be less than 1s"));
    }
    let config = match input.get(&["config"]) {
        None => Value::Object(Map::new()),
        Some(config) => config.clone(),
    };
    Way::of(kind, &config)?;
    let method = AclMethod {
        kind: kind.into(),
        display_name: input.text(&["displayname"])?.into(),
        description: input.text(&["description"])?.into(),
        max_ttl_ms,
        local,
        name_format: input.text(&["tokennameformat"])?.into(),
        config: config.to_string().into(),
        ..AclMethod::default()
    };
    let command = AclCommand::SetMethod { id: AclId::clone(&id), method };
    let auth = ask::change(asked, command).await?;
    let known = auth.acl.methods.get(&id).ok_or_else(missing)?;
    Ok(Answer::json(&show(&id, known, Some(config))))
}

/// `DELETE /v1/acl/auth-method/:name`, with its rules and the tokens of who came by it
pub(in crate::consul) async fn delete_method(asked: &Asked) -> Outcome {
    ask::writable(asked).await?;
    let id = AclId::from(asked.name("auth method name")?);
    ask::remove(asked, AclCommand::DeleteMethod { id }).await
}
