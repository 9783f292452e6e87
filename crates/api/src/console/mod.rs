//! The web console, below `/ui/` of the client port and the HTTP port: pages that are in this binary, in
//! `assets/`, and what they ask for that no other path has as JSON. It changes nothing.
//! How it works: `docs/architecture/console.md`.

mod assets;
mod calls;
mod headers;
mod live;
mod serve;

pub(crate) use serve::Console;
