//! Tests of the node crate through its public face.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod cluster;
mod machines;
mod transport;

/// They are shown, and run, as the documentation of the crate.
#[test]
fn an_example_fits_on_a_page() {
    for example in
        [include_str!("../../examples/counter.rs"), include_str!("../../examples/embedded_kv.rs")]
    {
        let lines = example.lines().count();
        assert!(lines < 60, "an example of {lines} lines");
    }
}
