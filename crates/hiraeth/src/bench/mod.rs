//! `hiraeth bench`: load on servers that speak etcd's API, and what it costs them.
//!
//! One thread drives all connections, each a state machine without I/O (`http2`) with a workload on top
//! (`workload`): no task, channel or allocation per request, because generator and servers share a
//! machine. `run` is what connections share, `measure` the measured time, `report` what is told.

mod data;
mod driver;
mod floor;
mod histogram;
mod http2;
mod launch;
mod lots;
mod measure;
mod options;
mod pace;
mod process;
mod protobuf;
mod report;
mod run;
mod schedule;
mod timer;
mod workload;

pub(crate) use launch::launch;
pub(crate) use options::Arguments;
