//! HPACK (RFC 7541): everything for reading; for writing, literals that change no table.

mod decoder;
mod encoder;
mod huffman;
mod integer;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::{put_literal, put_status};
