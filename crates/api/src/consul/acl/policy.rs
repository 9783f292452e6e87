//! `/v1/acl/policy`

use state::auth::acl::{AclCommand, AclId, AclPolicy};

use super::{ask, show, write};
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

fn missing() -> Problem {
    Problem::not_found("Requested policy does not exist: ACL not found")
}

/// `GET /v1/acl/policies`
pub(in crate::consul) async fn policies(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let all = granted.auth.acl.policies.iter();
    let shown: Vec<_> = all.map(|(id, it)| show::policy(id, it, false)).collect();
    Ok(ask::at(&granted.auth, Answer::json(&shown)))
}

/// `GET /v1/acl/policy/:id`
pub(in crate::consul) async fn policy(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let id = write::id(asked, "policy ID")?;
    let known = granted.auth.acl.policies.get(&id).ok_or_else(missing)?;
    Ok(ask::at(&granted.auth, Answer::json(&show::policy(&id, known, true))))
}

/// `GET /v1/acl/policy/name/:name`
pub(in crate::consul) async fn policy_named(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let name = asked.name("policy Name")?;
    let acl = &granted.auth.acl;
    let id = acl.policy_named(&name).ok_or_else(missing)?;
    let known = acl.policies.get(id).ok_or_else(missing)?;
    Ok(ask::at(&granted.auth, Answer::json(&show::policy(id, known, true))))
}

/// `PUT /v1/acl/policy`
pub(in crate::consul) async fn create_policy(asked: &Asked) -> Outcome {
    ask::writable(asked).await?;
    let body = asked.json()?;
    let input = Input::of(&body)?;
    if !input.text(&["id"])?.is_empty() {
        return Err(Problem::bad("Cannot specify the ID when creating a new policy"));
    }
    set(asked, &input, AclId::from(asked.handle().uuid()), true).await
}

/// `PUT /v1/acl/policy/:id`
pub(in crate::consul) async fn update_policy(asked: &Asked) -> Outcome {
    let granted = ask::writable(asked).await?;
    let id = AclId::from(asked.name("policy ID")?);
    let body = write::body(asked)?;
    let input = Input::of(&body)?;
    let given = input.text(&["id"])?;
    if !given.is_empty() && *given != *id {
        return Err(Problem::bad("Policy ID in URL and payload do not match"));
    }
    if !granted.auth.acl.policies.contains_key(&id) {
        return Err(missing());
    }
    set(asked, &input, id, false).await
}

async fn set(asked: &Asked, input: &Input<'_>, id: AclId, new: bool) -> Outcome {
    let policy = AclPolicy {
        name: input.text(&["name"])?.into(),
        description: input.text(&["description"])?.into(),
        text: input.text(&["rules"])?.into(),
        datacenters: input.texts(&["datacenters"])?.iter().map(|it| (&**it).into()).collect(),
        ..AclPolicy::default()
    };
    let command = AclCommand::SetPolicy { id: AclId::clone(&id), policy, new };
    let auth = ask::change(asked, command).await?;
    let known = auth.acl.policies.get(&id).ok_or_else(missing)?;
    Ok(Answer::json(&show::policy(&id, known, true)))
}

/// `DELETE /v1/acl/policy/:id`
pub(in crate::consul) async fn delete_policy(asked: &Asked) -> Outcome {
    ask::writable(asked).await?;
    let id = AclId::from(asked.name("policy ID")?);
    ask::remove(asked, AclCommand::DeletePolicy { id }).await
}
