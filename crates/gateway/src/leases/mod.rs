//! `etcdserverpb.Lease/LeaseKeepAlive`, which ends here: streams with the same token to the same keyspace
//! share one to a member.

mod door;
mod line;
mod lines;
mod session;
mod upstream;

pub(crate) use door::{is_keep_alive, keep_alive};
pub(crate) use lines::Lines;
