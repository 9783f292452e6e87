//! Users and rights, at every door.

mod every_method;
mod open_streams;
mod raw;
