//! Writes a file in the format of bolt (`go.etcd.io/bbolt`, version 2), which etcd keeps its state in.
//!
//! The file is written from its beginning to its end with the memory of a few pages: entries come in
//! order, so each tree is built from its leaves up, and a page above leaves as soon as it is full. What
//! stands at the beginning, the root and the number of pages, is known at the end only: so everything
//! is written twice, the first time to nowhere. Drawn in `docs/format.md`, section "etcd snapshots".

#[cfg(test)]
mod check;
mod page;
#[cfg(test)]
mod tests;
mod tree;
mod writer;

pub(crate) use page::PAGE;
pub(crate) use writer::{Layout, Sink, Writer};
