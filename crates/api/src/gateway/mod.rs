//! etcd's API as JSON over HTTP, below `/v3/`, as etcd's own gateway has it: for Patroni, APISIX, curl.
//!
//! Nothing here knows a message. Which method a path means is in [`routes`]; what its messages look like
//! is in the descriptors this binary carries; and the call goes through [`crate::Front`], like every
//! other client's.

mod answer;
mod call;
mod json;
mod objects;
mod routes;
mod serve;

pub(crate) use answer::error as error_answer;
pub(crate) use routes::{Route, is_route};
pub(crate) use serve::{JSON_BYTES, call, call_for_line, metadata, serve};
