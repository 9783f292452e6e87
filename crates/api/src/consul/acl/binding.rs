//! `/v1/acl/binding-rule`

use node::Granted;
use serde_json::{Map, Value, json};
use state::auth::acl::{AclBinding, AclCommand, AclId, BindKind, Template};

use super::login::{Way, is_bind_name};
use super::{ask, write};
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::filter::Filter;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// A name, and what stands for it.
type Variable = (Box<str>, Box<str>);

fn missing() -> Problem {
    Problem::not_found("Requested binding rule does not exist: ACL not found")
}

fn bad(text: impl std::fmt::Display) -> Problem {
    Problem::bad(format!("Invalid Binding Rule: {text}"))
}

fn show(id: &str, binding: &AclBinding) -> Value {
    let mut shown = json!({
        "ID": id,
        "Description": &*binding.description,
        "AuthMethod": &*binding.method,
        "Selector": &*binding.selector,
        "BindType": binding.kind.word(),
        "BindName": &*binding.name,
        "CreateIndex": binding.create_index,
        "ModifyIndex": binding.modify_index,
    });
    if !binding.variables.is_empty() {
        let all = binding.variables.iter();
        let all = all.map(|(name, value)| (name.to_string(), Value::from(&**value)));
        shown["BindVars"] = Value::Object(all.collect::<Map<_, _>>());
    }
    shown
}

/// `GET /v1/acl/binding-rules`, with `?authmethod=` those of one
pub(in crate::consul) async fn bindings(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let method = asked.parameters.get("authmethod").filter(|it| !it.is_empty());
    let is_meant = |binding: &AclBinding| method.is_none_or(|method| *method == *binding.method);
    let all = granted.auth.acl.bindings.iter().filter(|(_, it)| is_meant(it));
    let shown: Vec<_> = all.map(|(id, it)| show(id, it)).collect();
    Ok(ask::at(&granted.auth, Answer::json(&shown)))
}

/// `GET /v1/acl/binding-rule/:id`
pub(in crate::consul) async fn binding(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let id = write::id(asked, "binding rule ID")?;
    let known = granted.auth.acl.bindings.get(&id).ok_or_else(missing)?;
    Ok(ask::at(&granted.auth, Answer::json(&show(&id, known))))
}

/// `PUT /v1/acl/binding-rule`
pub(in crate::consul) async fn create_binding(asked: &Asked) -> Outcome {
    let granted = ask::writable(asked).await?;
    let body = write::body(asked)?;
    let input = Input::of(&body)?;
    if !input.text(&["id"])?.is_empty() {
        return Err(Problem::bad("Cannot specify the ID when creating a new binding rule"));
    }
    set(asked, &granted, &input, asked.handle().uuid().into(), None).await
}

/// `PUT /v1/acl/binding-rule/:id`
pub(in crate::consul) async fn update_binding(asked: &Asked) -> Outcome {
    let granted = ask::writable(asked).await?;
    let id = write::id(asked, "binding rule ID")?;
    let body = write::body(asked)?;
    let input = Input::of(&body)?;
    let given = input.text(&["id"])?;
    if !given.is_empty() && *given != *id {
        return Err(Problem::bad("BindingRule ID in URL and payload do not match"));
    }
    let known = granted.auth.acl.bindings.get(&id).ok_or_else(missing)?;
    set(asked, &granted, &input, id, Some(&known.method)).await
}

async fn set(
    asked: &Asked,
    granted: &Granted,
    input: &Input<'_>,
    id: AclId,
    known: Option<&AclId>,
) -> Outcome {
    let method: AclId = match (input.text(&["authmethod"])?, known) {
        ("", None) => return Err(bad("no AuthMethod is set")),
        ("", Some(known)) => AclId::clone(known),
        (given, _) => given.into(),
    };
    let by =
        granted.auth.acl.methods.get(&method).ok_or_else(|| {
            Problem::bad(format!("cannot find auth method with name {:?}", &*method))
        })?;
    let way = Way::of(&by.kind, &serde_json::from_str(&by.config).unwrap_or_default())?;
    let word = input.text(&["bindtype"])?;
    let kind = BindKind::named(word).ok_or_else(|| bad(format!("unknown BindType {word:?}")))?;
    let selector = input.text(&["selector"])?;
    Filter::parse(selector, way.shape())
        .map_err(|error| bad(format!("Selector is invalid: {error}")))?;
    let name = input.text(&["bindname"])?;
    if name.is_empty() {
        return Err(bad("no BindName is set"));
    }
    let invalid = |why| bad(format!("invalid BindName or BindVars: {why}"));
    is_bind_name(kind, name, &way).map_err(invalid)?;
    let variables = variables(input)?;
    if kind != BindKind::TemplatedPolicy && !variables.is_empty() {
        return Err(bad("BindVars are for BindType \"templated-policy\""));
    }
    if Template::named(name).is_some_and(Template::takes_name) && variables.is_empty() {
        return Err(bad(format!("{name} takes BindVars with a Name")));
    }
    // What templates are filled with are names, as those of roles.
    for (_, value) in &variables {
        is_bind_name(BindKind::Role, value, &way).map_err(invalid)?;
    }
    let binding = AclBinding {
        method,
        description: input.text(&["description"])?.into(),
        selector: selector.into(),
        kind,
        name: name.into(),
        variables,
        ..AclBinding::default()
    };
    let new = known.is_none();
    let auth =
        ask::change(asked, AclCommand::SetBinding { id: AclId::clone(&id), binding, new }).await?;
    let made = auth.acl.bindings.get(&id).ok_or_else(missing)?;
    Ok(Answer::json(&show(&id, made)))
}

/// In order, as they are kept; what is not said is as good as not there.
fn variables(input: &Input<'_>) -> Result<Vec<Variable>, Problem> {
    let pairs = input.pairs(&["bindvars"])?;
    let said = pairs.iter().filter(|(_, value)| !value.is_empty());
    Ok(said.map(|(name, value)| ((&**name).into(), (&**value).into())).collect())
}

/// `DELETE /v1/acl/binding-rule/:id`
pub(in crate::consul) async fn delete_binding(asked: &Asked) -> Outcome {
    ask::writable(asked).await?;
    let id = AclId::from(asked.name("binding rule ID")?);
    ask::remove(asked, AclCommand::DeleteBinding { id }).await
}
