// The tests that the crate `rs-consul` ships: see `build.rs`.
include!(concat!(env!("OUT_DIR"), "/test_runner.rs"));
