//! `README.md`: every optional setting is documented.

use functions_mcp::names;

#[test]
fn optional_settings_are_documented() {
    let readme = crate::read("README.md");
    for name in [
        names::ACCEPT_ID_TOKENS,
        names::ALLOWED_CLIENTS,
        names::DEVELOPER_TENANT,
        names::DEVELOPMENT_ALLOWED_HOSTS,
        names::LOG_LEVEL,
        names::CALL_BUDGET,
    ] {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}
