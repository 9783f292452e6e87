//! The registry in its own words: registering, beating, being pushed to.

mod beat;
mod instances;
mod push;
mod register;

pub(in crate::bench) use beat::Beats;
pub(in crate::bench) use instances::Instances;
pub(in crate::bench) use push::{Changes, PushBoard, Subscribers};
pub(in crate::bench) use register::Registrations;

/// The stream that carries all of it.
const OPEN: &str = "/hiraeth.v1.Registry/Open";
/// The numbers of the fields in `OpenRequest` and `OpenResponse`.
const REGISTER: u32 = 1;
const BEATS: u32 = 3;
const SUBSCRIBE: u32 = 4;
const ACKNOWLEDGE: u32 = 6;
const ANSWER: u32 = 1;
const UNKNOWN: u32 = 2;
const UPDATE: u32 = 3;
