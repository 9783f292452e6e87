//! Sharded keyspaces on a node: which of its regions a request goes to, regions that are born of others,
//! and having them split. `docs/architecture/region.md` tells how a split works.

mod birth;
mod drive;
mod far;
mod farewell;
mod guests;
mod loads;
mod measure;
mod numbered;
mod overview;
mod place;
mod propose;
mod read;
mod report;
mod route;
mod twice;

pub(crate) use birth::{
    Born, claim, finish as finish_child, hold, may_begin, publish, tell_watches,
};
pub(crate) use drive::drive;
pub(crate) use far::{answer_propose, answer_read};
pub(crate) use farewell::{drive_out, finish_farewells, leave_forgotten, leave_unstarted};
pub(crate) use guests::Guests;
pub(crate) use numbered::propose_numbered;
pub(crate) use place::place;
pub(crate) use propose::{is_served, propose};
pub(crate) use read::{range, txn};
pub(crate) use report::{answer_report, report};
pub(crate) use route::{Sharding, has_leaders};
