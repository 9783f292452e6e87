//! Instances of some hundred services that beat all the while, come, go and fall silent, and those who
//! watch them at every server: nobody who beat in time is told to be silent or gone, whoever fell silent is,
//! and no index goes back.

mod beats;
mod blocking;
mod cost;
mod fleet;
mod follow;
mod http;
mod journal;
mod judge;
mod last;
mod resets;
#[cfg(test)]
mod tests;
mod truth;
mod turns;
mod write;

pub(super) use fleet::Fleet;
