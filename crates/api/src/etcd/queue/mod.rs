//! What the services `Lock` and `Election` have in common: keys below one prefix that stand in line by
//! create revision, as the recipes of etcd's clients lay them out (`prefix/lease in hexadecimal`), so
//! that a client's own recipe and the service take turns.

mod door;
mod place;
mod requests;

pub(super) use door::{Door, like_etcd};
pub(super) use place::Place;
pub(super) use requests::{Line, first, first_kv, header_of, leave, put_if_created_at};
