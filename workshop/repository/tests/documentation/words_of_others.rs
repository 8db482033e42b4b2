//! The texts of other programs that the documentation quotes, by their sources.
//!
//! "Recorded" and "seen" mean that the real program was run with this app on 2026-11-24; the recordings are in
//! `crates/sandbox/recordings/`. The other texts are from documentation, sources and issues.

/// Each source and its texts, with `…` for the parts that vary.
pub const WORDS_OF_OTHERS: [(&str, &[&str]); 14] = [
    (
        "recorded: Functions host 4.1037 with the MCP extension 1.6.0, what clients get",
        &[
            "An error occurred invoking '…'.",
            "Unknown tool: '…'",
            "One or more required tool properties are missing values. Please provide: …",
            "Method '…' is not available.",
            "Invalid client state.",
            "Function host is not running.",
        ],
    ),
    (
        "seen: the same host, without its key and without sign-in (key-gate.json)",
        &["WWW-Authenticate: Bearer"],
    ),
    (
        "recorded: the same host, its log",
        &[
            "Exceeded http worker restart retry count. Shutting down Functions Host",
            "Tool with name '…' is already registered.",
            "Failed to parse InputSchema for tool '…'. Schema must be valid JSON.",
            "The specified document is not a valid MCP tool input JSON schema.",
            "The specified document is not a valid MCP tool output JSON schema.",
            "InputSchema is null or invalid.",
        ],
    ),
    (
        "seen: the same host in placeholder mode, with read-only packages, other networks, identities and bundles",
        &[
            "Cannot execute a tool without a value of type …",
            "WorkerConfig for runtime: custom not found.",
            "Error building configuration in an external startup class.",
            "Bundle version matching the … was not found",
            "AuthorizationPermissionMismatch",
            "ManagedIdentityCredential authentication failed",
            "Error while assigning execute permission.",
            "Failed to start Worker Channel. Process fileName: …",
        ],
    ),
    (
        "seen: Core Tools 4.14.0",
        &[
            "Worker process started and initialized.",
            "Host did not shutdown within its allotted time.",
            "Value cannot be null. (Parameter 'provider')",
            "Can't determine project language from files.",
            "Worker runtime cannot be 'None'.",
            "Unable to download extension bundle … and no cached version available.",
            "Skipping '…' from local settings as it's already defined in current environment variables.",
            "Port … is unavailable. Close the process using that port, or specify another port using --port [-p].",
        ],
    ),
    (
        "read: Core Tools, Functions host and Azurite, their sources and issues",
        &[
            "Connection refused (127.0.0.1:10000)",
            "… (127.0.0.1:10001)",
            "No connection could be made because the target machine actively refused it",
            "Missing value for AzureWebJobsStorage in local.settings.json",
            "Initializing HttpWorker timed out.",
            "The binding type(s) 'mcpToolTrigger' were not found in the configured extension bundle.",
        ],
    ),
    (
        "reported of Azure: App Service Authentication, Flex Consumption (Azure/functions-action#274)",
        &[
            "You do not have permission to view this directory or page.",
            "Target file or working directory doesn't exist, the provided credentials are invalid, or …",
        ],
    ),
    (
        "seen: VS Code 1.139.1",
        &[
            "Error fetching authorization server metadata",
            "Dynamic Client Registration not supported",
        ],
    ),
    (
        "reported of VS Code: Azure-Samples/remote-mcp-functions-typescript#57",
        &["Cannot force new registration"],
    ),
    (
        "seen: Claude Code 2.1.331, @ai-sdk/mcp 2.0.99, C# SDK 2.4.0, Gemini CLI 0.61.0, Inspector 0.15.0",
        &[
            "Incompatible auth server: does not support dynamic client registration",
            "does not support S256",
            "does not include 'code_challenge_methods_supported'",
            "Missing \"iss\" parameter",
            "Arguments cannot be passed to a URL-based MCP server.",
        ],
    ),
    (
        "read: Entra ID, https://learn.microsoft.com/entra/identity-platform/reference-error-codes",
        &[
            "AADSTS9010010",
            "AADSTS65001",
            "AADSTS650053",
            "Need admin approval",
            "AADSTS90094",
            "AADSTS50105",
            "AADSTS50011",
            "AADSTS90023",
            "AADSTS7000218",
            "AADSTS500011",
            "AADSTS700016",
            "AADSTS65002",
        ],
    ),
    (
        "read: azd, its source",
        &[
            "mcp service is using language 'custom' (alpha) but it is not enabled",
            "There are no changes to provision for your application.",
            "no Application Insights dashboard found",
        ],
    ),
    (
        "read: pip, Azure Resource Manager, Microsoft Graph, their documentation and issues",
        &[
            "error: externally-managed-environment",
            "ServiceManagementReference field is required",
            "Insufficient privileges to complete the operation",
            "Authorization_RequestDenied",
            "does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write'",
            "Another object with the same value for property uniqueName already exists",
            "Another object with the same value for property identifierUris already exists",
            "must use a verified domain of the organization",
            "Permission (scope or role) cannot be deleted or updated unless disabled first",
            "This region has quota of 0 instances for your subscription",
        ],
    ),
    (
        "read: LLDB, its source",
        &[
            "The current value of ptrace_scope is 1, which can cause ptrace to fail to attach to a running process.",
        ],
    ),
];
