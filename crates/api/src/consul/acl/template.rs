//! `/v1/acl/templated-policy`

use serde_json::{Map, Value};
use state::auth::AuthCommand;
use state::auth::acl::{AclCommand, AclId, AclRole, Identity, TEMPLATES, Template};
use state::command::Command;

use super::{ask, links, show, write};
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// `GET /v1/acl/templated-policies`
pub(in crate::consul) async fn templates(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let all = TEMPLATES.iter().map(|it| (it.name.to_owned(), show::template(it)));
    Ok(ask::at(&granted.auth, Answer::json(&Value::Object(all.collect::<Map<_, _>>()))))
}

/// `GET /v1/acl/templated-policy/name/:name`
pub(in crate::consul) async fn template(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let template = named(asked)?;
    Ok(ask::at(&granted.auth, Answer::json(&show::template(template))))
}

/// `POST /v1/acl/templated-policy/preview/:name`: the policy that it makes of the variables in the body.
pub(in crate::consul) async fn preview(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let template = named(asked)?;
    let body = write::body(asked)?;
    let input = Input::of(&body)?;
    let identity = links::identity(template, &input, &input)?;
    check(&identity)?;
    let text = template.text_for(&identity.name);
    let shown = show::preview(template, &text, &identity.datacenters);
    Ok(ask::at(&granted.auth, Answer::json(&shown)))
}

/// As for a role that has it.
fn check(identity: &Identity) -> Result<(), Problem> {
    let (name, identities) = ("preview".into(), vec![identity.clone()]);
    let role = AclRole { name, identities, ..AclRole::default() };
    let command = AclCommand::SetRole { id: AclId::default(), role, new: true };
    let command = Command::Auth(AuthCommand::Acl(Box::new(command)));
    Ok(state::check(&command)?)
}

fn named(asked: &Asked) -> Result<&'static Template, Problem> {
    let name = asked.name("templated policy name")?;
    Template::named(&name)
        .ok_or_else(|| Problem::bad(format!("Invalid templated policy Name: {name}")))
}
