//! What is read of requests that change something.

use serde_json::{Map, Value};
use state::auth::acl::AclId;
use types::limits;

use crate::consul::asked::Asked;
use crate::consul::problem::Problem;

/// The body; who sends none means nothing by it.
pub(super) fn body(asked: &Asked) -> Result<Value, Problem> {
    if asked.body.is_empty() { Ok(Value::Object(Map::new())) } else { asked.json() }
}

/// Whether it looks like one: eight, four, four, four and twelve hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    let is_part = |(part, length): (&&str, usize)| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    parts.len() == lengths.len() && parts.iter().zip(lengths).all(is_part)
}

/// The id that a path names; what cannot be one is told apart from what is not there.
pub(super) fn id(asked: &Asked, what: &str) -> Result<AclId, Problem> {
    let id = asked.name(what)?;
    if is_uuid(&id) {
        Ok(id.into())
    } else {
        Err(Problem::bad(format!("{what} {id:?} is no UUID")))
    }
}

/// A new secret, or the one that is asked for, if it can be sent in a header.
pub(super) fn secret(asked: &Asked, wanted: &str) -> Result<String, Problem> {
    match wanted {
        "" => Ok(asked.handle().uuid()),
        wanted
            if wanted.len() <= limits::ACL_SECRET_BYTES
                && wanted.bytes().all(|byte| byte.is_ascii_graphic())
                && wanted != "anonymous"
                && !wanted.starts_with('<') =>
        {
            Ok(wanted.to_owned())
        }
        _ => Err(Problem::bad(format!(
            "Invalid Token: a SecretID is made of at most {} printable characters of ASCII without blanks",
            limits::ACL_SECRET_BYTES
        ))),
    }
}
