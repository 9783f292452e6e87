//! What a task keeps of the requests it has handed to the node, many at once, and has no answer to yet.

mod sweep;
mod table;

pub(crate) use sweep::Sweep;
pub(crate) use table::Table;
