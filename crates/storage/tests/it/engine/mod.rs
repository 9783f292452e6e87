//! Both engines keep one contract; `fjall` also keeps it through crashes and damage.

pub(crate) mod bed;
mod conformance;
mod crash;
mod fault;
mod model;
