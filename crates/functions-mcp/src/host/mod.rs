//! The Functions host: what it sends, what it takes, and what it must not be sent by others.

pub mod call_bodies;
pub mod envelope;
pub mod function_json;
pub mod invocation;
pub mod only_the_host;
pub mod result;
