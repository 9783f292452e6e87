//! `hiraeth serve`: one node with its front doors.

mod run;
mod settings;

pub(crate) use run::run;
pub(crate) use settings::Settings;
