//! A region's records travel whole or not at all.

mod bed;
mod file;
mod install;
mod power;
mod stream;
