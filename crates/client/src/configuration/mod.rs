//! Configurations: what there is, new versions, gray releases; and contents that a program follows.

mod asking;
mod follow;
mod gray;
mod held;
mod name;
mod snapshot;

pub use asking::{Configuration, Release};
pub use follow::{FollowOptions, Followed};
pub use gray::{Gray, GrayWider};
pub use held::{ConfigContent, Held, Rejected, Sight};
pub use name::{ConfigReader, ConfigurationName};
