//! `/v1/acl/login` and `/v1/acl/logout`

use std::sync::Arc;

use state::auth::Auth;
use state::auth::acl::{AclMethod, AclToken};
use types::limits;

use super::bind::bound;
use super::proof::NotLetIn;
use super::way::{Look, Way};
use crate::audit::Bearer;
use crate::consul::acl::{show, write};
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// What Consul says of tokens that are made so.
const DESCRIPTION: &str = "token created via login";

/// `POST /v1/acl/login`: a token for who is vouched for. Whatever token it brings is not looked at.
pub(in crate::consul) async fn login(asked: &Asked) -> Outcome {
    // Before anything is waited for, so that those who wait are bounded, too.
    let _permit = asked.home.begin_login().ok_or_else(|| {
        Problem::busy("too many clients are logging in through this server; try again")
    })?;
    let stranger = Bearer { token: None, origin: asked.sender.origin.clone() };
    let caller = asked.handle().caller(asked.keyspace, &stranger);
    let auth = caller.ways_in().await?;
    let body = asked.json()?;
    let input = Input::of(&body)?;
    let method = input.text(&["authmethod"])?;
    if method.is_empty() {
        return Err(Problem::bad("the login names no AuthMethod"));
    }
    let description = description(&input)?;
    let let_in = let_in(asked, auth, method, input.text(&["bearertoken"])?).await;
    let (known, token) = let_in.map_err(|NotLetIn { told, why }| {
        let named: String = method.chars().take(limits::ACL_NAME_BYTES).collect();
        caller.audit_refused_login(&named, &why);
        Problem::denied(format!("Permission denied: {told}"))
    })?;
    let expires_ms = match known.max_ttl_ms {
        0 => 0,
        most => asked.handle().wall_millis().saturating_add(most),
    };
    let (auth_method, local) = (method.into(), known.local);
    let token = AclToken { description, auth_method, local, expires_ms, ..token };
    let secret = write::secret(asked, "")?;
    let id = caller.log_in(token, known.create_index, &secret).await?;
    let acl = &caller.ways_in().await?.acl;
    let made = acl.tokens.get(&id).ok_or_else(|| Problem::failed("the token is gone again"))?;
    Ok(Answer::json(&show::token(acl, &id, made, Some(&secret))))
}

/// The method, and what its rules make of who brings this.
async fn let_in(
    asked: &Asked,
    auth: Arc<Auth>,
    method: &str,
    bearer: &str,
) -> Result<(Arc<AclMethod>, AclToken), NotLetIn> {
    let known = auth.acl.methods.get(method).cloned();
    let known = known.ok_or("ACL not found: there is no auth method of this name")?;
    if bearer.is_empty() {
        return Err("the login has no BearerToken".into());
    }
    if bearer.len() > limits::ACL_BEARER_BYTES {
        let (length, most) = (bearer.len(), limits::ACL_BEARER_BYTES);
        return Err(format!("a BearerToken of {length} bytes; at most {most} are allowed").into());
    }
    let config = serde_json::from_str(&known.config).unwrap_or_default();
    // One that was fine when it was made, or made by a build that knows more.
    let way = Way::of(&known.kind, &config);
    let way = way.map_err(|it| NotLetIn::inside("the auth method cannot be used", &it.text))?;
    let look = Look {
        method: (method, known.modify_index),
        key_sets: asked.home.key_sets(),
        networks: asked.handle().login_networks(),
        now: i64::try_from(asked.handle().wall_millis() / 1_000).unwrap_or(i64::MAX),
    };
    let proof = way.prove(bearer, &look).await?;
    let (method, datacenter) = (method.to_owned(), asked.home.datacenter().to_owned());
    // Thousands of rules, with patterns, are not for the threads that serve requests.
    let binding =
        tokio::task::spawn_blocking(move || bound(&auth.acl, &method, (&way, &proof), &datacenter));
    let token = binding.await.map_err(|_| "the rules could not be looked at")??;
    Ok((known, token))
}

/// With what the client says of itself, for people.
fn description(input: &Input<'_>) -> Result<Box<str>, Problem> {
    let pairs = input.pairs(&["meta"])?;
    if pairs.is_empty() {
        return Ok(DESCRIPTION.into());
    }
    let said: std::collections::BTreeMap<&str, &str> =
        pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    let said = serde_json::to_string(&said).unwrap_or_default();
    let all = format!("{DESCRIPTION}: {said}");
    if all.len() > limits::ACL_TEXT_BYTES {
        let most = limits::ACL_TEXT_BYTES;
        return Err(Problem::bad(format!(
            "Meta makes a description of {} bytes; at most {most} are allowed",
            all.len()
        )));
    }
    Ok(all.into())
}

/// `POST /v1/acl/logout`: the token that asks ends, and what goes on by it.
pub(in crate::consul) async fn logout(asked: &Asked) -> Outcome {
    // Not that of this server, in whose name it asks for others.
    let token = asked.sender.token.clone().filter(|_| asked.brings_token);
    let own = Bearer { token, origin: asked.sender.origin.clone() };
    asked.handle().caller(asked.keyspace, &own).log_out().await?;
    Ok(Answer::json(&true))
}
