//! State machines of others in whole nodes, over links inside the process.

mod own;
mod slow;
mod world;
