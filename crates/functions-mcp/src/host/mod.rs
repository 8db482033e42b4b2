//! The protocol between the Functions host and this program, and the protection of the port that they share.

pub mod call_bodies;
pub mod envelope;
pub mod function_json;
pub mod invocation;
pub mod only_the_host;
pub mod result;
