//! Requests that are passed on as they are.

mod answer;
mod body;
mod forward;
mod kind;
mod read_ahead;
mod settle;

pub(crate) use answer::Passing;
pub(crate) use body::Outgoing;
pub(crate) use forward::{Failure, Order, forward, request};
pub(crate) use kind::{Kind, Kinds, is_grpc, is_read};
pub(crate) use read_ahead::{Incomplete, read_ahead};
pub(crate) use settle::settle;
