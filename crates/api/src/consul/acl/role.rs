//! `/v1/acl/role`

use state::auth::acl::{AclCommand, AclId, AclRole};

use super::{ask, links, show, write};
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

fn missing() -> Problem {
    Problem::not_found("Requested role does not exist: ACL not found")
}

/// `GET /v1/acl/roles`, with `?policy=` those that have it
pub(in crate::consul) async fn roles(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let acl = &granted.auth.acl;
    let policy = asked.parameters.get("policy").filter(|it| !it.is_empty());
    let has = |role: &AclRole| policy.is_none_or(|id| role.policies.iter().any(|it| **it == *id));
    let all = acl.roles.iter().filter(|(_, role)| has(role));
    let shown: Vec<_> = all.map(|(id, it)| show::role(acl, id, it)).collect();
    Ok(ask::at(&granted.auth, Answer::json(&shown)))
}

/// `GET /v1/acl/role/:id`
pub(in crate::consul) async fn role(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let id = write::id(asked, "role ID")?;
    let acl = &granted.auth.acl;
    let known = acl.roles.get(&id).ok_or_else(missing)?;
    Ok(ask::at(&granted.auth, Answer::json(&show::role(acl, &id, known))))
}

/// `GET /v1/acl/role/name/:name`
pub(in crate::consul) async fn role_named(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let name = asked.name("role Name")?;
    let acl = &granted.auth.acl;
    let id = acl.role_named(&name).ok_or_else(missing)?;
    let known = acl.roles.get(id).ok_or_else(missing)?;
    Ok(ask::at(&granted.auth, Answer::json(&show::role(acl, id, known))))
}

/// `PUT /v1/acl/role`
pub(in crate::consul) async fn create_role(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    if !input.text(&["id"])?.is_empty() {
        return Err(Problem::bad("Cannot specify the ID when creating a new role"));
    }
    set(asked, &input, AclId::from(asked.handle().uuid()), true).await
}

/// `PUT /v1/acl/role/:id`
pub(in crate::consul) async fn update_role(asked: &Asked) -> Outcome {
    let id = AclId::from(asked.name("role ID")?);
    let body = write::body(asked)?;
    let input = Input::of(&body)?;
    let given = input.text(&["id"])?;
    if !given.is_empty() && *given != *id {
        return Err(Problem::bad("Role ID in URL and payload do not match"));
    }
    set(asked, &input, id, false).await
}

async fn set(asked: &Asked, input: &Input<'_>, id: AclId, new: bool) -> Outcome {
    let granted = ask::writable(asked).await?;
    let acl = &granted.auth.acl;
    if !new && !acl.roles.contains_key(&id) {
        return Err(missing());
    }
    let role = AclRole {
        name: input.text(&["name"])?.into(),
        description: input.text(&["description"])?.into(),
        policies: links::policies(acl, input)?,
        identities: links::identities(input)?,
        ..AclRole::default()
    };
    let command = AclCommand::SetRole { id: AclId::clone(&id), role, new };
    let auth = ask::change(asked, command).await?;
    let known = auth.acl.roles.get(&id).ok_or_else(missing)?;
    Ok(Answer::json(&show::role(&auth.acl, &id, known)))
}

/// `DELETE /v1/acl/role/:id`
pub(in crate::consul) async fn delete_role(asked: &Asked) -> Outcome {
    ask::writable(asked).await?;
    let id = AclId::from(asked.name("role ID")?);
    ask::remove(asked, AclCommand::DeleteRole { id }).await
}
