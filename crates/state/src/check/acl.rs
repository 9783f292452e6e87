//! Bounds of Consul's tokens, policies, roles and ways to log in; what is wrong otherwise is told when it is
//! applied.

use types::{Code, Fault, limits};

use crate::auth::acl::{AclBinding, AclCommand, AclMethod, Identity, Rules, Template};

fn bad(detail: impl Into<String>) -> Fault {
    Fault::new(Code::InvalidArgument, detail)
}

pub(super) fn check(command: &AclCommand) -> Result<(), Fault> {
    let (_, id) = command.describe();
    at_most("id", id, limits::ACL_NAME_BYTES)?;
    match command {
        AclCommand::SetToken { token, .. } | AclCommand::LogIn { token, .. } => {
            at_most("description", &token.description, limits::ACL_TEXT_BYTES)?;
            few(token.policies.len() + token.roles.len() + token.identities.len())?;
            identities(&token.identities)
        }
        AclCommand::SetPolicy { policy, .. } => {
            named("Policy", &policy.name, 128)?;
            at_most("description", &policy.description, limits::ACL_TEXT_BYTES)?;
            datacenters(&policy.datacenters)?;
            let (length, most) = (policy.text.len(), limits::ACL_RULES_BYTES);
            if length > most {
                return Err(bad(format!("rules of {length} bytes; at most {most} are allowed")));
            }
            let rules = Rules::parse(&policy.text);
            rules.map(drop).map_err(|error| bad(format!("Failed to parse ACL rules: {error}")))
        }
        AclCommand::SetRole { role, .. } => {
            named("Role", &role.name, limits::ACL_NAME_BYTES)?;
            at_most("description", &role.description, limits::ACL_TEXT_BYTES)?;
            few(role.policies.len() + role.identities.len())?;
            identities(&role.identities)
        }
        AclCommand::SetMethod { id, method } => {
            named("Auth Method", id, 128)?;
            self::method(method)
        }
        AclCommand::SetBinding { binding, .. } => self::binding(binding),
        AclCommand::Enable { .. }
        | AclCommand::Disable
        | AclCommand::Bootstrap { .. }
        | AclCommand::EnsureManagement { .. }
        | AclCommand::DeleteToken { .. }
        | AclCommand::DeletePolicy { .. }
        | AclCommand::DeleteRole { .. }
        | AclCommand::DeleteMethod { .. }
        | AclCommand::DeleteBinding { .. } => Ok(()),
    }
}

fn method(method: &AclMethod) -> Result<(), Fault> {
    at_most("type", &method.kind, limits::ACL_NAME_BYTES)?;
    at_most("display name", &method.display_name, limits::ACL_TEXT_BYTES)?;
    at_most("description", &method.description, limits::ACL_TEXT_BYTES)?;
    at_most("token name format", &method.name_format, limits::ACL_TEXT_BYTES)?;
    at_most("configuration", &method.config, limits::ACL_CONFIG_BYTES)
}

fn binding(binding: &AclBinding) -> Result<(), Fault> {
    at_most("name of an auth method", &binding.method, limits::ACL_NAME_BYTES)?;
    at_most("description", &binding.description, limits::ACL_TEXT_BYTES)?;
    at_most("selector", &binding.selector, limits::ACL_SELECTOR_BYTES)?;
    at_most("bind name", &binding.name, limits::ACL_TEXT_BYTES)?;
    let most = limits::ACL_BIND_VARIABLES;
    if binding.variables.len() > most {
        return Err(bad(format!("at most {most} variables of one binding rule")));
    }
    binding.variables.iter().try_for_each(|(name, value)| {
        at_most("name of a variable", name, limits::ACL_NAME_BYTES)?;
        at_most("variable", value, limits::ACL_TEXT_BYTES)
    })
}

fn at_most(what: &str, text: &str, most: usize) -> Result<(), Fault> {
    if text.len() <= most {
        return Ok(());
    }
    Err(bad(format!("{what} of {} bytes; at most {most} are allowed", text.len())))
}

fn few(count: usize) -> Result<(), Fault> {
    if count <= limits::ACL_LINKS {
        return Ok(());
    }
    let most = limits::ACL_LINKS;
    Err(bad(format!("at most {most} policies, roles and identities of one token or role")))
}

/// Letters, digits, `-` and `_`, as Consul has it.
fn named(what: &str, name: &str, most: usize) -> Result<(), Fault> {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() {
        return Err(bad(format!("Invalid {what}: no Name is set")));
    }
    if name.len() > most || !name.bytes().all(is_one) {
        return Err(bad(format!(
            "Invalid {what}: invalid Name. Only alphanumeric characters, '-' and '_' are allowed, and at \
             most {most} of them"
        )));
    }
    Ok(())
}

fn identities(all: &[Identity]) -> Result<(), Fault> {
    for identity in all {
        let name = &identity.name;
        // In Consul's rules for names of services and nodes all others are no names in DNS either.
        let is_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_open = Template::of(identity.kind).is_some_and(|template| !template.takes_name());
        if is_open && name.is_empty() {
            datacenters(&identity.datacenters)?;
            continue;
        }
        if name.is_empty() || name.len() > limits::ACL_NAME_BYTES || !name.bytes().all(is_one) {
            return Err(bad(format!(
                "identity {name:?} has an invalid name. Only alphanumeric characters, '-' and '_' are \
                 allowed, and at most {} of them",
                limits::ACL_NAME_BYTES
            )));
        }
        datacenters(&identity.datacenters)?;
    }
    Ok(())
}

fn datacenters(all: &[Box<str>]) -> Result<(), Fault> {
    few(all.len())?;
    all.iter().try_for_each(|name| at_most("datacenter", name, limits::ACL_NAME_BYTES))
}
