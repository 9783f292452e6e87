//! Logging in by auth methods.

mod crowd;
mod crud;
mod ends;
mod floods;
mod keys;
mod kubernetes;
mod provider;
mod refused;
mod rights;
mod sign;
