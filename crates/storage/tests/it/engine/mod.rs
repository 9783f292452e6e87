//! Both engines keep one contract; `DiskEngine` also keeps it through crashes and damage.

pub(crate) mod bed;
mod conformance;
mod crash;
mod fault;
mod model;
mod sweep;
