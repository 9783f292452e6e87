//! `hiraeth serve`: one node with its front doors, or a gateway to nodes.

mod acl;
mod gateway;
mod notify;
mod retention;
mod run;
mod secure;
mod settings;
mod traces;

pub(crate) use run::{Stopped, run};
pub(crate) use settings::Settings;
