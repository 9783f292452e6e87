// A test that the crate `consul` ships: see `build.rs`.
include!(concat!(env!("OUT_DIR"), "/consul_health.rs"));
