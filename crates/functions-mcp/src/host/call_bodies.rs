//! The bodies of calls: each is read to its end, and all of them together take a bounded amount of memory.
//!
//! Ordinary bodies never wait. Larger ones reserve the memory that reading and decoding takes; when too much is
//! reserved, they wait, unread, until another call releases its own.

use std::{sync::Arc, time::Duration};

use actix_web::{
    error::PayloadError,
    web::{Bytes, Payload},
};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::Failure;

/// The largest body that is read, in bytes. The host repeats arguments and headers up to four times in it.
pub const MAX_BODY: usize = 16 * MIB;

/// The memory that all large bodies together may take, in bytes.
const MEMORY: usize = 96 * MIB;
/// The largest body that reserves nothing, in bytes. The host accepts 32 KiB of headers, and repeats them.
const ORDINARY: usize = 256 * KIB;
/// The memory that reading and decoding a body takes, in multiples of its size: the body, the string in it or the
/// string in that, and the reader's buffer, which grows by doubling.
const DECODING: usize = 4;
/// The memory that a decoded call takes, in multiples of its JSON text: the text, and the tool's arguments.
const CALLING: usize = 3;

const MIB: usize = 1024 * KIB;
const KIB: usize = 1024;

/// Reads bodies within the bounds on memory.
#[derive(Debug)]
pub struct CallBodies {
    /// One permit per KiB.
    memory: Arc<Semaphore>,
}

/// Memory that is reserved for a call until this is dropped.
#[derive(Debug)]
pub struct Reservation(Option<OwnedSemaphorePermit>);

impl CallBodies {
    /// Bounds with nothing reserved.
    pub fn new() -> Self {
        Self {
            memory: Arc::new(Semaphore::new(MEMORY / KIB)),
        }
    }

    /// Reads a body of `length` bytes, or of unknown length. It waits for memory no longer than `patience`.
    ///
    /// A refused body is read to its end too, and discarded: the host sends all of it before it reads the answer.
    pub async fn read(
        &self,
        mut payload: Payload,
        length: Option<usize>,
        patience: Duration,
    ) -> Result<(Vec<u8>, Reservation), Failure> {
        let outcome = self.read_into_memory(&mut payload, length, patience).await;
        if outcome.is_err() {
            while let Some(Ok(_)) = payload.next().await {}
        }
        outcome
    }

    async fn read_into_memory(
        &self,
        payload: &mut Payload,
        length: Option<usize>,
        patience: Duration,
    ) -> Result<(Vec<u8>, Reservation), Failure> {
        let mut body = Vec::new();
        let mut reservation = Reservation(None);
        if let Some(length) = length {
            reservation = self.reserve_for(length, patience).await?;
            body.reserve_exact(length);
        }
        while let Some(chunk) = payload.next().await {
            let chunk: Bytes = chunk.map_err(|error| broke_off(&error))?;
            let size = body.len() + chunk.len();
            if length.is_none() && size > ORDINARY && reservation.0.is_none() {
                reservation = self.reserve_for(MAX_BODY, patience).await?;
            }
            if size > MAX_BODY {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        reservation.shrink(body.len() * DECODING);
        Ok((body, reservation))
    }

    async fn reserve_for(&self, length: usize, patience: Duration) -> Result<Reservation, Failure> {
        if length <= ORDINARY {
            return Ok(Reservation(None));
        }
        if length > MAX_BODY {
            return Err(too_large());
        }
        let memory = self.memory.clone();
        let permit = memory.acquire_many_owned(to_kib(length * DECODING));
        match tokio::time::timeout(patience, permit).await {
            Ok(Ok(permit)) => Ok(Reservation(Some(permit))),
            _ => Err(busy()),
        }
    }
}

impl Reservation {
    /// Releases the memory that a call with `length` bytes of decoded JSON does not need.
    pub fn shrink_to_decoded(&mut self, length: usize) {
        self.shrink(length * CALLING);
    }

    fn shrink(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.0 {
            let excess = permit.num_permits().saturating_sub(to_kib(bytes) as usize);
            drop(permit.split(excess));
        }
    }
}

fn to_kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

fn broke_off(error: &PayloadError) -> Failure {
    Failure::operator(
        "invalid_request",
        "The Functions host's request broke off before its end.",
    )
    .with_action("see the host's log for why it ended the call")
    .with_detail(error)
}

fn too_large() -> Failure {
    let message = format!(
        "The call is too large: its arguments and headers may have about {} MiB.",
        MAX_BODY / 4 / MIB
    );
    Failure::user("too_large", message)
}

fn busy() -> Failure {
    Failure::wait(
        "busy",
        "This server is busy with other large calls. Please try again in a minute.",
    )
    .with_action("if it happens often, let the app have more or larger instances")
}
