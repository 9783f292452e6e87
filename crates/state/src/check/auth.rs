//! Users and roles. What etcd has a word for is refused when the command is applied, as it does; here
//! are bounds of our own.

use types::{Code, Fault, limits};

use crate::auth::AuthCommand;

pub(super) fn check(command: &AuthCommand) -> Result<(), Fault> {
    if let AuthCommand::Acl(command) = command {
        return super::acl::check(command);
    }
    let (_, user, role) = command.describe();
    for name in [user, role] {
        if name.len() > limits::AUTH_NAME_BYTES {
            let most = limits::AUTH_NAME_BYTES;
            let detail = format!("the name of a user or role has at most {most} bytes");
            return Err(Fault::new(Code::InvalidArgument, detail));
        }
    }
    if let AuthCommand::GrantPermission { permission, .. } = command {
        let range = &permission.range;
        let longest = range.start.len().max(range.end.as_ref().map_or(0, |end| end.len()));
        if longest > limits::KEY_BYTES {
            let detail =
                format!("a key of {longest} bytes; at most {} are allowed", limits::KEY_BYTES);
            return Err(Fault::new(Code::InvalidArgument, detail));
        }
    }
    Ok(())
}
