//! Nothing of its own: `tests/` uses a server by the crates `rs-consul` and `consul`.
