//! Moments as people write them.

pub use node::calendar::wall;
