//! etcd's `Auth`. Who may do what is decided at [`node::Caller`]; here it is put into etcd's words.

mod convert;
mod service;

pub use service::AuthService;
