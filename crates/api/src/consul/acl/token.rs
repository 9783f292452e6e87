//! `/v1/acl/token`

use hyper::StatusCode;
use node::Granted;
use serde_json::Value;
use state::auth::Demand;
use state::auth::acl::{Access, Acl, AclCommand, AclId, AclToken, IdentityKind, Resource};

use super::{ask, links, show, time, write};
use crate::audit::Bearer;
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// As Consul says that there is none.
fn missing() -> Problem {
    Problem::denied("token does not exist: ACL not found")
}

/// Who asks about tokens, and what it is shown of their secrets.
struct Reader<'a> {
    asked: &'a Asked,
    own: Option<AclId>,
    may_write: bool,
}

impl<'a> Reader<'a> {
    async fn new(asked: &'a Asked, granted: &Granted) -> Result<Self, Problem> {
        // What let it in was looked up just now: this node knows it.
        let judge = asked.caller().judge(true).await?;
        let may_write = judge.may(Demand::Resource(Resource::Acl, Access::Write));
        Ok(Self { asked, own: granted.token.clone(), may_write })
    }

    /// The secret that was sent along, if it is this one's; else the one that is kept, for who may make
    /// tokens. Who sends none along is told none, whatever the token of those may do.
    fn secret_of<'b>(&'b self, id: &AclId, token: &'b AclToken) -> Option<&'b str> {
        let sent = self.asked.sender.token.as_deref().filter(|_| self.asked.brings_token)?;
        if self.own.as_ref() == Some(id) {
            return Some(sent);
        }
        Some(&*token.kept).filter(|kept| self.may_write && !kept.is_empty())
    }
}

/// `GET /v1/acl/tokens`
pub(in crate::consul) async fn tokens(asked: &Asked) -> Outcome {
    let granted = ask::readable(asked).await?;
    let acl = &granted.auth.acl;
    let parameter = |name| asked.parameters.get(name).filter(|it| !it.is_empty());
    let names = ["policy", "role", "servicename", "authmethod"];
    if names.iter().filter(|name| parameter(name).is_some()).count() > 1 {
        return Err(Problem::bad(
            "can only filter by one of policy, role, servicename or authmethod",
        ));
    }
    let is_meant = |token: &AclToken| {
        let has =
            |ids: &[AclId], name| parameter(name).is_none_or(|id| ids.iter().any(|it| **it == *id));
        let is_service = |name: &str| {
            let mut all = token.identities.iter();
            all.any(|it| it.kind == IdentityKind::Service && *it.name == *name)
        };
        has(&token.policies, "policy")
            && has(&token.roles, "role")
            && parameter("servicename").is_none_or(is_service)
            && parameter("authmethod").is_none_or(|method| *method == *token.auth_method)
    };
    let now = asked.handle().wall_millis();
    let all = acl.tokens.iter().filter(|(_, it)| it.lives_at(now) && is_meant(it));
    let reader = Reader::new(asked, &granted).await?;
    let shown = all.map(|(id, it)| show::token(acl, id, it, reader.secret_of(id, it)));
    Ok(ask::at(&granted.auth, Answer::json(&shown.collect::<Vec<_>>())))
}

/// `GET /v1/acl/token/:id`, and of the one that is asked with `/v1/acl/token/self`
pub(in crate::consul) async fn token(asked: &Asked) -> Outcome {
    let id = asked.name("token ID")?;
    let (granted, id) = if id == "self" {
        // Who brings one may know what it is; who brings none has the anonymous one, in whosever name this
        // server asks for it.
        let own = asked.sender.token.clone().filter(|_| asked.brings_token);
        let sender = Bearer { token: own, origin: asked.sender.origin.clone() };
        let caller = asked.handle().caller(asked.keyspace, &sender);
        let granted = caller.acl(Demand::Anyone).await?;
        let own = granted.token.clone().ok_or_else(missing)?;
        (granted, own)
    } else {
        (ask::readable(asked).await?, AclId::from(id))
    };
    let acl = &granted.auth.acl;
    let known = acl.tokens.get(&id).filter(|it| it.lives_at(asked.handle().wall_millis()));
    let known = known.ok_or_else(missing)?;
    let reader = Reader::new(asked, &granted).await?;
    let mut shown = show::token(acl, &id, known, reader.secret_of(&id, known));
    if asked.parameters.flag("expanded") {
        expand(acl, known, &mut shown);
        shown["ResolvedByAgent"] = asked.home.record().name.into();
    }
    Ok(ask::at(&granted.auth, Answer::json(&shown)))
}

fn expand(acl: &Acl, token: &AclToken, shown: &mut Value) {
    let roles = || token.roles.iter().filter_map(|id| Some((id, acl.roles.get(id)?)));
    let ids = token.policies.iter().chain(roles().flat_map(|(_, role)| &role.policies));
    let policies = ids.filter_map(|id| Some(show::policy(id, acl.policies.get(id)?, true)));
    shown["ExpandedPolicies"] = policies.collect();
    shown["ExpandedRoles"] = roles().map(|(id, it)| show::role(acl, id, it)).collect();
    shown["AgentACLDefaultPolicy"] = if acl.allows_by_default { "allow" } else { "deny" }.into();
    shown["AgentACLDownPolicy"] = "deny".into();
}

/// What a token is to be, by what is sent.
fn read(acl: &Acl, input: &Input<'_>) -> Result<AclToken, Problem> {
    Ok(AclToken {
        description: input.text(&["description"])?.into(),
        policies: links::policies(acl, input)?,
        roles: links::roles(acl, input)?,
        identities: links::identities(input)?,
        local: input.truth(&["local"])?,
        ..AclToken::default()
    })
}

/// `PUT /v1/acl/token`
pub(in crate::consul) async fn create_token(asked: &Asked) -> Outcome {
    let granted = ask::writable(asked).await?;
    let body = write::body(asked)?;
    let input = Input::of(&body)?;
    let token = read(&granted.auth.acl, &input)?;
    let now_ms = asked.handle().wall_millis();
    let token = AclToken { expires_ms: time::end(&input, now_ms)?, ..token };
    let id = match input.text(&["accessorid"])? {
        "" => asked.handle().uuid(),
        given if write::is_uuid(given) => given.to_owned(),
        given => {
            return Err(Problem::bad(format!(
                "Invalid Token: AccessorID {given:?} is not a valid UUID"
            )));
        }
    };
    let secret = write::secret(asked, input.text(&["secretid"])?)?;
    make(asked, &id.into(), token, &secret).await
}

/// Makes a token, and says what its secret is: where secrets are not kept, the only time.
async fn make(asked: &Asked, id: &AclId, token: AclToken, secret: &str) -> Outcome {
    let now_ms = asked.handle().wall_millis();
    let (kept, secret_hash) =
        (asked.handle().secret_shown_later(secret), node::Handle::secret_kept(secret));
    let token = AclToken { secret: secret_hash, kept, auth_method: Box::default(), ..token };
    let command = AclCommand::SetToken { id: AclId::clone(id), token, new: true, now_ms };
    let auth = ask::change(asked, command).await?;
    let made = auth.acl.tokens.get(id).ok_or_else(missing)?;
    Ok(Answer::json(&show::token(&auth.acl, id, made, Some(secret))))
}

/// `PUT /v1/acl/token/:id` and `PUT /v1/acl/token/:id/clone`
pub(in crate::consul) async fn update_token(asked: &Asked) -> Outcome {
    let granted = ask::writable(asked).await?;
    let acl = &granted.auth.acl;
    let path = asked.name("token ID")?;
    let body = write::body(asked)?;
    let input = Input::of(&body)?;
    let (id, clones) = path.strip_suffix("/clone").map_or((&*path, false), |id| (id, true));
    let id = AclId::from(id);
    let known = acl.tokens.get(&id).filter(|it| it.lives_at(asked.handle().wall_millis()));
    let known = known.ok_or_else(missing)?;
    if clones {
        // It would not end with the method that vouched for the first one.
        if !known.auth_method.is_empty() {
            return Err(Problem::bad("Cannot clone a token created from an auth method"));
        }
        let mut token = AclToken::clone(known);
        match input.text(&["description"])? {
            "" => {}
            text => token.description = text.into(),
        }
        let secret = write::secret(asked, "")?;
        return make(asked, &asked.handle().uuid().into(), token, &secret).await;
    }
    match input.text(&["accessorid"])? {
        given if given.is_empty() || *given == *id => {}
        _ => return Err(Problem::bad("Token Accessor ID in URL and payload do not match")),
    }
    let secret = input.text(&["secretid"])?;
    let is_same = node::Handle::secret_kept(secret) == known.secret;
    if !["", "<hidden>", "anonymous"].contains(&secret) && !is_same {
        return Err(Problem::bad("Changing a token's SecretID is not permitted"));
    }
    // A token is local from its beginning, whether it is said again or not.
    let token = AclToken { local: known.local, ..read(acl, &input)? };
    let now_ms = asked.handle().wall_millis();
    let command = AclCommand::SetToken { id: AclId::clone(&id), token, new: false, now_ms };
    let auth = ask::change(asked, command).await?;
    let changed = auth.acl.tokens.get(&id).ok_or_else(missing)?;
    let secret = (is_same && !secret.is_empty()).then_some(secret);
    let reader = Reader::new(asked, &granted).await?;
    let secret = secret.or_else(|| reader.secret_of(&id, changed));
    Ok(Answer::json(&show::token(&auth.acl, &id, changed, secret)).status(StatusCode::OK))
}

/// `DELETE /v1/acl/token/:id`
pub(in crate::consul) async fn delete_token(asked: &Asked) -> Outcome {
    let granted = ask::writable(asked).await?;
    let id = AclId::from(asked.name("token ID")?);
    if granted.token.as_ref() == Some(&id) {
        return Err(Problem::bad("Deletion of the request's authorization token is not permitted"));
    }
    ask::remove(asked, AclCommand::DeleteToken { id }).await
}
