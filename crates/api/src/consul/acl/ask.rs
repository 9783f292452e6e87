//! What all of them ask of the node.

use std::sync::Arc;

use node::Granted;
use state::auth::acl::{Access, AclCommand, Resource};
use state::auth::{Auth, Demand};
use types::{Code, Revision};

use crate::consul::answer::{Answer, Meta, Outcome};
use crate::consul::asked::Asked;
use crate::consul::parameters::Freshness;
use crate::consul::problem::Problem;

/// All of it, for who may read it.
pub(super) async fn readable(asked: &Asked) -> Result<Granted, Problem> {
    let what = Demand::Resource(Resource::Acl, Access::Read);
    Ok(asked.caller().acl(what).await?)
}

/// The same, for who may change it.
pub(super) async fn writable(asked: &Asked) -> Result<Granted, Problem> {
    let what = Demand::Resource(Resource::Acl, Access::Write);
    Ok(asked.caller().acl(what).await?)
}

/// Changes it, and answers with what it is then.
pub(super) async fn change(asked: &Asked, command: AclCommand) -> Result<Arc<Auth>, Problem> {
    asked.caller().change_acl(command).await?;
    Ok(writable(asked).await?.auth)
}

/// Removes something; what is not there is as good as removed.
pub(super) async fn remove(asked: &Asked, command: AclCommand) -> Outcome {
    match asked.caller().change_acl(command).await {
        Ok(()) => {}
        Err(fault) if fault.code == Code::KeyNotFound => {}
        Err(fault) => return Err(fault.into()),
    }
    Ok(Answer::json(&true))
}

/// The answer to a question, as of that copy.
pub(super) fn at(auth: &Auth, answer: Answer) -> Answer {
    let index = Revision(i64::try_from(auth.changes).unwrap_or(i64::MAX));
    answer.at(Meta {
        index,
        age: None,
        known_leader: true,
        freshness: Freshness::Default,
        filtered: false,
    })
}
