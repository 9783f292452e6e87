//! hiraeth
fn main() {}
