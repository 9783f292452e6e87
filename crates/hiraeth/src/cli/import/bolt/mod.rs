//! Reads a bolt file (`go.etcd.io/bbolt`, version 2), as etcd keeps its data in: page by page, with what a
//! page says held against the file before it is believed. The bytes are drawn in `docs/format.md`.

mod error;
mod file;
mod page;
mod walk;

#[cfg(test)]
mod tests;

pub(super) use error::Error;
pub(super) use file::Bolt;
