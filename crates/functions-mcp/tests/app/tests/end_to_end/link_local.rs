//! The managed identity endpoint at a link-local address, as reported of App Service on Linux.

#![cfg(target_os = "linux")]

use std::net::Ipv4Addr;

use crate::support::App;

/// An interface of this machine must have this address: `.ci/link-local` runs a command with one.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 255, 2);

#[tokio::test]
#[ignore = "needs an interface with a link-local address"]
async fn the_managed_identity_is_asked_at_a_link_local_address() {
    let app = App::start_with(|options| options.cloud.identity_address = ADDRESS).await;
    let endpoint = app.sandbox.cloud().identity_endpoint();
    assert!(endpoint.starts_with("http://169.254.255.2:"), "{endpoint}");
    let answer = app.hello("ada").await;
    assert_eq!(answer.text, "Hello, Ada Lovelace (ada@contoso.example)!");
    assert_eq!(app.requests().managed_identity.total, 1);
}
