//! What can be asked: each module is one kind of load.

mod batch;
mod calls;
mod fill;
mod keep_alive;
mod kv;
mod lock;
mod range;
mod registry;
mod txn;
mod watch;

pub(super) use batch::{Batch, Lots};
pub(super) use calls::{Calls, Operation};
pub(super) use fill::{Fill, requests};
pub(super) use keep_alive::KeepAlive;
pub(super) use kv::Mix;
pub(super) use lock::Lock;
pub(super) use range::Range;
pub(super) use registry::{Beats, Changes, Instances, PushBoard, Registrations, Subscribers};
pub(super) use txn::Txn;
pub(super) use watch::{Board, STAMP as STAMP_BYTES, Watchers, Writers};
