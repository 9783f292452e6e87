//! Consul's ACL, at every door.

mod ask;
mod audit;
mod default_token;
mod doors;
mod ends;
mod every_route;
mod floods;
mod kept;
mod login;
mod matrix;
mod requests;
mod templates;
