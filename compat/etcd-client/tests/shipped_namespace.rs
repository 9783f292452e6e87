//! `tests/namespace.rs` of the crate `etcd-client`, brought here by the build script.

include!(concat!(env!("OUT_DIR"), "/namespace.rs"));
