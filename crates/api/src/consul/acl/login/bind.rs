//! What binding rules make of somebody.

use state::auth::acl::{Acl, AclBinding, AclToken, BindKind, Identity, IdentityKind, Template};
use types::limits;

use super::names::filled;
use super::proof::{NotLetIn, Proof};
use super::way::Way;
use crate::consul::filter::Filter;

/// What all rules together that are about somebody make of it.
///
/// # Errors
/// No rule is about it, or one of them cannot be followed.
pub(super) fn bound(
    acl: &Acl,
    method: &str,
    (way, proof): (&Way, &Proof),
    datacenter: &str,
) -> Result<AclToken, NotLetIn> {
    let mut token = AclToken::default();
    for (id, rule) in acl.bindings.iter().filter(|(_, rule)| *rule.method == *method) {
        let selector = Filter::parse(&rule.selector, way.shape());
        let selector = selector.map_err(|error| format!("binding rule {id}: {error}"))?;
        if selector.matches(&proof.selectable) {
            let done = bind(acl, rule, proof, datacenter, &mut token);
            done.map_err(|why| format!("binding rule {id}: {why}"))?;
        }
    }
    if token.identities.is_empty() && token.roles.is_empty() && token.policies.is_empty() {
        return Err("no binding rule is about who logs in, or what they name is not there".into());
    }
    Ok(token)
}

fn bind(
    acl: &Acl,
    rule: &AclBinding,
    proof: &Proof,
    datacenter: &str,
    token: &mut AclToken,
) -> Result<(), String> {
    // As Consul has it, so that names do not differ by how somebody else writes them.
    let look = |name: &str| proof.variables.get(name).map(|value| value.to_lowercase());
    let name = filled(&rule.name, look)?;
    if !is_name(rule.kind, &name) {
        let kind = rule.kind.word();
        return Err(format!(
            "computed {kind:?} bind name for bind target is invalid: {:?}",
            name.chars().take(limits::ACL_NAME_BYTES).collect::<String>()
        ));
    }
    // A role or a policy that is not there is passed over: it may be made later.
    match rule.kind {
        BindKind::Role => add(&mut token.roles, acl.role_named(&name).cloned()),
        BindKind::Policy => add(&mut token.policies, acl.policy_named(&name).cloned()),
        BindKind::Service | BindKind::Node | BindKind::TemplatedPolicy => {
            add(&mut token.identities, Some(identity(rule, name, datacenter, look)?));
        }
    }
    Ok(())
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: Option<T>) {
    let one = one.filter(|one| !all.contains(one));
    all.extend(one);
}

/// What somebody is. A templated policy's variables are filled as names are.
fn identity(
    rule: &AclBinding,
    name: String,
    datacenter: &str,
    look: impl Fn(&str) -> Option<String>,
) -> Result<Identity, String> {
    let datacenters = Vec::new();
    match rule.kind {
        BindKind::Service => {
            Ok(Identity { kind: IdentityKind::Service, name: name.into(), datacenters })
        }
        BindKind::Node => {
            let datacenters = vec![datacenter.into()];
            Ok(Identity { kind: IdentityKind::Node, name: name.into(), datacenters })
        }
        BindKind::TemplatedPolicy => {
            let template = Template::named(&name)
                .ok_or_else(|| format!("no such ACL templated policy with Name {name:?}"))?;
            let mut own = String::new();
            if template.takes_name() {
                let said = rule.variables.iter().find(|(it, _)| it.eq_ignore_ascii_case("name"));
                let said = said.ok_or_else(|| format!("{name} takes a variable Name"))?;
                own = filled(&said.1, look)?;
                if !is_name(BindKind::Role, &own) {
                    return Err(format!("computed Name of {name} is invalid: {own:?}"));
                }
            }
            Ok(Identity { kind: template.kind, name: own.into(), datacenters })
        }
        BindKind::Role | BindKind::Policy => Err(format!("a {} is no identity", rule.kind.word())),
    }
}

/// Whether a name can be one of its kind.
fn is_name(kind: BindKind, name: &str) -> bool {
    let most = match kind {
        BindKind::Policy => 128,
        _ => limits::ACL_NAME_BYTES,
    };
    let is_one = |byte: u8| match byte {
        b'-' | b'_' => true,
        // So are templates' names.
        b'/' => kind == BindKind::TemplatedPolicy,
        byte if matches!(kind, BindKind::Service | BindKind::Node) => {
            byte.is_ascii_lowercase() || byte.is_ascii_digit()
        }
        byte => byte.is_ascii_alphanumeric(),
    };
    !name.is_empty() && name.len() <= most && name.bytes().all(is_one)
}

/// Whether a name of a rule can come to one of its kind, with what a way in knows of somebody.
///
/// # Errors
/// Why not.
pub(in crate::consul::acl) fn is_bind_name(
    kind: BindKind,
    template: &str,
    way: &Way,
) -> Result<(), String> {
    let name = filled(template, |name| way.has_variable(name).then(|| "x".to_owned()))?;
    let is_template = kind == BindKind::TemplatedPolicy && !template.contains("${");
    if is_template && Template::named(&name).is_none() {
        return Err(format!("no such ACL templated policy with Name {name:?}"));
    }
    if is_name(kind, &name) {
        return Ok(());
    }
    Err(format!("{template:?} comes to no name of a {}", kind.word()))
}
