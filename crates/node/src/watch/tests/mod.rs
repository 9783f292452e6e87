//! What a watch promises, against a history that is as simple as the trait allows.

mod concurrent;
mod lagging;
mod progress;
mod random;
mod rules;
mod shares;
mod sight;
mod world;
