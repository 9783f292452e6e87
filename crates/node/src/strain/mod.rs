//! What strains this node so that it is a bad neighbour: a slow disk, little processor time, slow links,
//! little memory. Measured where the threads wait anyway, told to the others and to operators; a leader
//! that is strained gives its office to one that is not.

mod gauge;
mod memory;
mod relieve;
mod window;

pub(crate) use gauge::Gauge;
pub use gauge::Strain;
pub use memory::Memory;
pub(crate) use relieve::{is_well, watch};
pub use window::Recent;
pub(crate) use window::Window;
