//! How the registry's records, commands and answers are written down; drawn in `docs/format.md`.

mod answer;
mod command;
mod kv;
mod operation;
mod records;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use answer::{get_answer, put_answer};
pub(crate) use command::{get_registry, put_registry};
pub(crate) use records::{
    get_check, get_instance, get_node, get_session, put_check, put_instance, put_node, put_session,
};
