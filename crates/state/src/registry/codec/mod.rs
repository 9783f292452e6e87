//! How the registry's records, commands and answers are written down; drawn in `docs/format.md`.

mod command;
mod records;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use command::{get_answer, get_registry, put_answer, put_registry};
pub(crate) use records::{
    get_check, get_instance, get_node, get_session, put_check, put_instance, put_node, put_session,
};
