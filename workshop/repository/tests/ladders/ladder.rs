//! The ladder of each crate: which of its rooms may import which.

/// A crate and its rooms.
pub struct Ladder {
    /// The crate's folder below `crates/`.
    pub crate_name: &'static str,
    /// The rooms from top to bottom. A room imports rooms on lower rungs only: none on its own rung, none above it.
    pub rungs: &'static [&'static [&'static str]],
    /// The rooms that contain no servers, ports or HTTP.
    pub without_http: &'static [&'static str],
}

pub const LADDERS: [Ladder; 2] = [ENGINE, SANDBOX];

const ENGINE: Ladder = Ladder {
    crate_name: "functions-mcp",
    rungs: &[
        // Starts the program.
        &["run"],
        // The HTTP server that the Functions host calls.
        &["server"],
        // The host's wire format.
        &["host"],
        // What a tool is.
        &["tool"],
        // What a tool calls.
        &["graph"],
        // The identity that tools act as.
        &["credential"],
        // The rules for every outbound request.
        &["http"],
        // The environment variables.
        &["settings"],
        // The values that settings are made of.
        &["identity"],
        &["endpoint", "local_run"],
        // Utilities.
        &["cloud", "headers", "telemetry"],
        &["failure", "log_stream", "loopback"],
    ],
    without_http: &["cloud", "failure", "identity", "log_stream", "telemetry"],
};

const SANDBOX: Ladder = Ladder {
    crate_name: "sandbox",
    rungs: &[
        // The program around the library.
        &["terminal"],
        &["command_line"],
        // The parts assembled, and their comparison with the recordings.
        &["replay", "sandbox"],
        // Start servers and processes.
        &["cloud", "functions_host"],
        // Serve one service each.
        &[
            "app_service_auth",
            "control",
            "developer_tools",
            "entra",
            "exchanges",
            "graph",
            "managed_identity",
        ],
        // The faults that any service injects on request.
        &["faults"],
        // The state that the services share.
        &["tenant"],
        // People, events and request counts.
        &["directory", "events", "ledger"],
        // Utilities.
        &["ca_certificate", "certificate", "html", "loopback"],
    ],
    without_http: &["directory", "events", "ledger", "tenant"],
};
