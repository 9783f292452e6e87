//! `/v1/acl`: Consul's own users, which are not here. Clients know the answer of a server without them.

use super::answer::Outcome;
use super::asked::Asked;
use super::problem::Problem;

/// Anything below `/v1/acl/`.
pub(super) async fn disabled(_: &Asked) -> Outcome {
    Err(Problem::unauthorized("ACL support disabled"))
}
