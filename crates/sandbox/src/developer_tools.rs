//! Stand-ins for the tools with which a developer is signed in to Azure: `az`, `azd` and `pwsh`.
//!
//! The tools are scripts in a folder at the front of the handler's search path. Only `az` can be signed in: it prints a
//! token from a file next to it. The other two hide the machine's real tools, and so the developer's real identity.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::tenant::{GraphToken, Tenant};

/// The output of `az account get-access-token`. Without this file, `az` is signed out.
const TOKEN_FILE: &str = "token.json";

/// The arguments of each run of `az`, one line each.
const CALLS_FILE: &str = "calls.txt";

/// How often the token is renewed, as the real tool renews its own.
const RENEWAL: Duration = Duration::from_secs(5 * 60);

/// A developer's tools. Dropping them removes their folder.
#[derive(Debug)]
pub struct DeveloperTools {
    account: Arc<Account>,
    renewal: JoinHandle<()>,
}

/// The developer's account, and the folder of the tools.
struct Account {
    folder: PathBuf,
    developer: String,
    tenant: Arc<Tenant>,
}

impl DeveloperTools {
    /// Installs the tools into a new temporary folder, signed in as `developer`.
    ///
    /// # Errors
    /// When the folder cannot be written, or nobody has that name.
    pub fn install(tenant: Arc<Tenant>, developer: &str) -> io::Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("sandbox-tools-{}", Uuid::new_v4().simple()));
        create_private_folder(&folder)?;
        let account = Arc::new(Account {
            folder,
            developer: developer.to_owned(),
            tenant,
        });
        let renewed = account.clone();
        let tools = Self {
            account,
            renewal: tokio::spawn(async move {
                loop {
                    tokio::time::sleep(RENEWAL).await;
                    if renewed.folder.join(TOKEN_FILE).exists()
                        && let Err(error) = renewed.write_token()
                    {
                        tracing::warn!(%error, "the developer's token is not renewed");
                    }
                }
            }),
        };
        for (name, script) in SCRIPTS {
            write_script(&tools.account.folder.join(name), script)?;
        }
        tools.sign_in()?;
        Ok(tools)
    }

    /// The developer who signs in to the tools.
    pub fn developer(&self) -> &str {
        &self.account.developer
    }

    /// `az login`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn sign_in(&self) -> io::Result<()> {
        self.account.write_token()
    }

    /// `az logout`.
    ///
    /// # Errors
    /// When nobody is signed in.
    pub fn sign_out(&self) -> io::Result<()> {
        fs::remove_file(self.account.folder.join(TOKEN_FILE))
    }

    /// The arguments of each run of `az` so far.
    pub fn az_calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.account.folder.join(CALLS_FILE)).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// A `PATH` on which these tools come first.
    pub(crate) fn search_path(&self) -> io::Result<OsString> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let folders =
            std::iter::once(self.account.folder.clone()).chain(std::env::split_paths(&inherited));
        std::env::join_paths(folders).map_err(io::Error::other)
    }
}

impl Drop for DeveloperTools {
    fn drop(&mut self) {
        self.renewal.abort();
        let _ = fs::remove_dir_all(&self.account.folder);
    }
}

impl Account {
    fn write_token(&self) -> io::Result<()> {
        let token = self
            .tenant
            .graph_token(&self.developer)
            .map_err(io::Error::other)?;
        // Replaced in one step: `az` may be reading it.
        let new = self.folder.join("token.json.new");
        fs::write(&new, az_output(&token)?)?;
        fs::rename(new, self.folder.join(TOKEN_FILE))
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("folder", &self.folder)
            .field("developer", &self.developer)
            .finish_non_exhaustive()
    }
}

/// The output of `az account get-access-token -o json`.
fn az_output(token: &GraphToken) -> io::Result<String> {
    let expires_on =
        OffsetDateTime::from_unix_timestamp(token.expires_on).map_err(io::Error::other)?;
    let (hour, minute, second) = expires_on.to_hms();
    let output = json!({
        "accessToken": token.access_token,
        "expiresOn": format!("{} {hour:02}:{minute:02}:{second:02}.000000", expires_on.date()),
        "expires_on": token.expires_on,
        "subscription": Uuid::nil().to_string(),
        "tenant": token.tenant,
        "tokenType": token.token_type,
    });
    Ok(format!("{output:#}\n"))
}

#[cfg(unix)]
const SCRIPTS: [(&str, &str); 3] = [
    (
        "az",
        r#"#!/bin/sh
folder=${0%/*}
echo "$*" >> "$folder/calls.txt"
case "$*" in
    "account get-access-token"*) ;;
    *) echo "ERROR: the sandbox's az only knows 'az account get-access-token'." >&2; exit 2 ;;
esac
if [ -f "$folder/token.json" ]; then
    cat "$folder/token.json"
else
    echo "ERROR: Please run 'az login' to setup account." >&2
    exit 1
fi
"#,
    ),
    (
        "azd",
        "#!/bin/sh\necho \"ERROR: not logged in, run \\`azd auth login\\` to login\" >&2\nexit 1\n",
    ),
    (
        "pwsh",
        "#!/bin/sh\necho \"Run Connect-AzAccount to login.\" >&2\nexit 1\n",
    ),
];

#[cfg(windows)]
const SCRIPTS: [(&str, &str); 3] = [
    (
        "az.cmd",
        "@echo off\r\n\
         >>\"%~dp0calls.txt\" echo %*\r\n\
         if exist \"%~dp0token.json\" (type \"%~dp0token.json\" & exit /b 0)\r\n\
         echo ERROR: Please run 'az login' to setup account. 1>&2\r\n\
         exit /b 1\r\n",
    ),
    (
        "azd.cmd",
        "@echo ERROR: not logged in, run `azd auth login` to login 1>&2\r\n@exit /b 1\r\n",
    ),
    (
        "pwsh.cmd",
        "@echo Run Connect-AzAccount to login. 1>&2\r\n@exit /b 1\r\n",
    ),
];

#[cfg(unix)]
fn create_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

#[cfg(windows)]
fn create_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}

fn write_script(path: &Path, script: &str) -> io::Result<()> {
    fs::write(path, script)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}
