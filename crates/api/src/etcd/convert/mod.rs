//! Between etcd's messages and the words of [`state`]. No value is copied: both sides hold `Bytes`.

mod event;
mod request;
mod response;
mod txn;

pub use event::event;
pub use request::{delete, put, range};
pub use response::{
    compaction, delete_response, header, key_value, put_response, range_response, txn_response,
};
pub use txn::{is_serializable, txn};

#[cfg(test)]
mod tests;
