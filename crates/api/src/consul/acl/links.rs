//! What tokens and roles refer to, as clients write it: policies and roles by id or name, identities.

use serde_json::Value;
use state::auth::acl::{Acl, AclId, Identity, IdentityKind, Template};

use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// The ids of what a list names by `ID` or by `Name`.
fn ids<'a>(
    input: &Input<'_>,
    field: &str,
    what: &str,
    by_name: impl Fn(&str) -> Option<&'a AclId>,
) -> Result<Vec<AclId>, Problem> {
    let mut ids: Vec<AclId> = Vec::new();
    for value in input.list(&[field])? {
        let link = Input::of(value)?;
        let id = match (link.text(&["id"])?, link.text(&["name"])?) {
            ("", "") => {
                return Err(Problem::bad(format!("a link to a {what} has an ID or a Name")));
            }
            ("", name) => {
                let found = by_name(name).cloned();
                found
                    .ok_or_else(|| Problem::bad(format!("No such ACL {what} with name {name:?}")))?
            }
            (id, _) => id.into(),
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

pub(super) fn policies(acl: &Acl, input: &Input<'_>) -> Result<Vec<AclId>, Problem> {
    ids(input, "policies", "policy", |name| acl.policy_named(name))
}

pub(super) fn roles(acl: &Acl, input: &Input<'_>) -> Result<Vec<AclId>, Problem> {
    ids(input, "roles", "role", |name| acl.role_named(name))
}

fn templated(input: &Input<'_>) -> Result<Vec<Identity>, Problem> {
    let mut all: Vec<Identity> = Vec::new();
    for value in input.list(&["templatedpolicies"])? {
        let policy = Input::of(value)?;
        let template = template(policy.text(&["templatename"])?)?;
        let none = Input::of(&Value::Null)?;
        let variables = policy.object(&["templatevariables"])?.unwrap_or(none);
        all.push(identity(template, &variables, &policy)?);
    }
    Ok(all)
}

/// The template of a name.
fn template(name: &str) -> Result<&'static Template, Problem> {
    Template::named(name)
        .ok_or_else(|| Problem::bad(format!("no such ACL templated policy with Name {name:?}")))
}

/// What a template makes of the variables, which are passed over where it takes none.
pub(super) fn identity(
    template: &Template,
    variables: &Input<'_>,
    policy: &Input<'_>,
) -> Result<Identity, Problem> {
    let places = policy.texts(&["datacenters"])?;
    let name = if template.takes_name() { variables.text(&["name"])? } else { "" };
    Ok(Identity {
        kind: template.kind,
        name: name.into(),
        datacenters: places.iter().map(|place| (&**place).into()).collect(),
    })
}

pub(super) fn identities(input: &Input<'_>) -> Result<Vec<Identity>, Problem> {
    let mut all = templated(input)?;
    for value in input.list(&["serviceidentities"])? {
        let identity = Input::of(value)?;
        let places = identity.texts(&["datacenters"])?;
        all.push(Identity {
            kind: IdentityKind::Service,
            name: identity.text(&["servicename"])?.into(),
            datacenters: places.iter().map(|place| (&**place).into()).collect(),
        });
    }
    for value in input.list(&["nodeidentities"])? {
        let identity = Input::of(value)?;
        let place = identity.text(&["datacenter"])?;
        if place.is_empty() {
            return Err(Problem::bad("Node identity is missing the datacenter field"));
        }
        all.push(Identity {
            kind: IdentityKind::Node,
            name: identity.text(&["nodename"])?.into(),
            datacenters: vec![place.into()],
        });
    }
    Ok(all)
}
