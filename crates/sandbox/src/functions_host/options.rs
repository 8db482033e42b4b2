//! How the host is set up.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use function_app::{AppFiles, Platform};

use super::{handler_process::HandlerCommand, key_gate::AccessKey, timings::HostTimings};
use crate::{app_service_auth::AppServiceAuth, events::Events, loopback};

/// What answers the invocations.
#[derive(Debug)]
pub enum Handler {
    /// A process that the host starts and restarts.
    Command(HandlerCommand),
    /// Something that listens already.
    Address(SocketAddr),
}

/// How the host is set up.
#[derive(Debug)]
pub struct FunctionsHostOptions {
    /// The app.
    pub app: AppFiles,
    /// What answers its invocations.
    pub handler: Handler,
    /// Where the host listens.
    pub listener: TcpListener,
    /// The authentication in front of it, if any.
    pub authentication: Option<AppServiceAuth>,
    /// Whether the host believes `X-MS-CLIENT-PRINCIPAL` (`WEBSITE_AUTH_ENABLED`), as it does behind
    /// `authentication` anyway.
    pub believes_principal: bool,
    /// The key `mcp_extension` that callers must send, if any; host.json can waive it.
    pub system_key: Option<AccessKey>,
    /// Where the host runs.
    pub platform: Platform,
    /// Whether the environment has a key for session ids (`WEBSITE_AUTH_ENCRYPTION_KEY`).
    pub has_encryption_key: bool,
    /// Instead of host.json's `functionTimeout`.
    pub function_timeout: Option<Duration>,
    /// How long the host takes its time.
    pub timings: HostTimings,
    /// Whether the host answers requests for any host name, as it does in Azure. Otherwise it
    /// refuses those for another than this machine's own with 403.
    pub answers_any_host: bool,
    /// Where events go.
    pub events: Events,
}

impl FunctionsHostOptions {
    /// A host on any free port that lets everybody in.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(app: AppFiles, handler: Handler) -> io::Result<Self> {
        Ok(Self {
            app,
            handler,
            listener: loopback::listen(0)?,
            authentication: None,
            believes_principal: false,
            system_key: None,
            platform: Platform::Azure,
            has_encryption_key: true,
            function_timeout: None,
            timings: HostTimings::default(),
            answers_any_host: false,
            events: Events::default(),
        })
    }
}
