//! Users and rights, at every door.

mod every_method;
mod every_path;
mod needs;
mod open_streams;
mod raw;
