//! Package `hiraeth.peer.v1`: what nodes say to each other (`proto/peer.proto`).
#![allow(missing_docs, clippy::all, reason = "generated; the .proto file carries the words")]

tonic::include_proto!("hiraeth.peer.v1");
