//! `hiraeth cluster`: several real server processes on this machine, to try fail-over.

mod members;
mod run;

pub(crate) use run::{Options, run};
