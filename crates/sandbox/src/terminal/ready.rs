//! The addresses, keys and ids of the running sandbox, under names that programs can rely on.

use std::path::PathBuf;

use sandbox::{
    Profile, Sandbox,
    directory::{MCP_CLIENT, TENANT_ID, VISUAL_STUDIO_CODE},
};
use serde::Serialize;

/// The first line of JSON, and the content of the banner.
#[derive(Serialize)]
#[serde(tag = "event", rename = "ready")]
pub(super) struct Ready {
    /// `azure` or `local`.
    pub(super) profile: &'static str,
    pub(super) mcp_url: String,
    /// In profile azure only, as are all members about sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) master_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sign_in: Option<SignIn>,
    /// The person who is signed in to the developer's tools, in profile local only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) developer: Option<String>,
    /// Entra's address.
    pub(super) authority: String,
    pub(super) tenant_id: &'static str,
    /// The tenant's v2 issuer.
    pub(super) issuer: String,
    /// The addresses over https, with `--tls`.
    #[serde(flatten)]
    pub(super) tls: Option<Tls>,
    pub(super) identity_endpoint: String,
    pub(super) graph: String,
    /// The control API.
    pub(super) control_url: String,
    pub(super) handler_pid: Option<u32>,
    /// How long the handler took to start.
    pub(super) handler_start_up_milliseconds: Option<u128>,
}

/// The parameters for sign-in.
#[derive(Serialize)]
pub(super) struct SignIn {
    /// For a browser.
    pub(super) url: String,
    /// For MCP clients.
    pub(super) client_id: &'static str,
    pub(super) visual_studio_code_client_id: &'static str,
    pub(super) scope: String,
    /// The values that Entra accepts for `resource`; absent if Entra ignores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resources: Option<Vec<String>>,
    /// The short names of the people who have one.
    pub(super) people: Vec<String>,
}

/// The parameters for a program on Microsoft's libraries in place of the handler: they require https.
#[derive(Serialize)]
pub(super) struct Tls {
    pub(super) tls_authority: String,
    pub(super) tls_graph: String,
    /// The file with the certificate to trust.
    pub(super) ca_certificate: PathBuf,
    /// The value that the managed identity endpoint accepts until the handler is started again.
    pub(super) identity_header: String,
}

impl Ready {
    pub(super) fn new(sandbox: &Sandbox, profile: Profile) -> Self {
        let cloud = sandbox.cloud();
        let people = cloud.directory().people();
        Self {
            profile: match profile {
                Profile::Azure => "azure",
                Profile::Local => "local",
            },
            mcp_url: sandbox.mcp_url(),
            system_key: sandbox.system_key().map(str::to_owned),
            master_key: sandbox.keys().map(|keys| keys.master.as_str().to_owned()),
            sign_in: sandbox.sign_in_url().map(|url| SignIn {
                url: url.to_owned(),
                client_id: MCP_CLIENT.client_id,
                visual_studio_code_client_id: VISUAL_STUDIO_CODE.client_id,
                scope: cloud.directory().server_scope(),
                resources: cloud.accepted_resources().map(<[_]>::to_vec),
                people: people.into_iter().map(|person| person.name).collect(),
            }),
            developer: sandbox
                .developer_tools()
                .map(|tools| tools.developer().to_owned()),
            authority: cloud.authority().to_owned(),
            tenant_id: TENANT_ID,
            issuer: format!("{}/{TENANT_ID}/v2.0", cloud.authority()),
            tls: cloud
                .tls_authority()
                .zip(cloud.tls_graph())
                .zip(sandbox.ca_certificate())
                .map(|((authority, graph), certificate)| Tls {
                    tls_authority: authority.to_owned(),
                    tls_graph: graph.to_owned(),
                    ca_certificate: certificate.to_owned(),
                    identity_header: cloud.identity_header(),
                }),
            identity_endpoint: cloud.identity_endpoint().to_owned(),
            graph: cloud.graph().to_owned(),
            control_url: cloud.control_url(),
            handler_pid: sandbox.handler().pid(),
            handler_start_up_milliseconds: sandbox
                .handler()
                .start_up()
                .map(|start_up| start_up.as_millis()),
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
