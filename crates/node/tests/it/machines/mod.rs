//! State machines of others in whole nodes, over links inside the process.

mod laggard;
mod own;
mod parts;
mod slow;
mod strained;
mod world;
