//! How the host starts the process.

use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use function_app::{AppFiles, environment_variables};
use tokio::process::{Child, Command};
use uuid::Uuid;

/// With this setting (Linux consumption plans) the host makes the file executable itself.
const CONTAINER_NAME: &str = "CONTAINER_NAME";

/// How to start the process.
#[derive(Clone, Debug)]
pub struct HandlerCommand {
    executable: PathBuf,
    arguments: Vec<String>,
    working_directory: PathBuf,
    app_root: PathBuf,
    environment: Environment,
    pub(super) stderr_for_errors_only: bool,
    pub(super) initialization_timeout: Duration,
}

/// Variables of the process besides those that it inherits and those that the host adds. They are computed at each
/// start, since some values change with it; `None` removes an inherited variable.
#[derive(Clone)]
pub struct Environment(Arc<dyn Fn() -> Vec<(String, Option<String>)> + Send + Sync>);

impl Environment {
    /// Calls `variables` at each start.
    pub fn new(
        variables: impl Fn() -> Vec<(String, Option<String>)> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(variables))
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::new(Vec::new)
    }
}

/// Omits the values, since some are secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl HandlerCommand {
    /// The command that host.json describes, or the one with another executable.
    pub fn new(app: &AppFiles, executable: Option<PathBuf>, environment: Environment) -> Self {
        let handler = &app.host.custom_handler;
        Self {
            // An executable that is not from host.json is relative to the current directory.
            executable: match executable {
                Some(path) => resolve(Path::new("."), &path),
                None => PathBuf::from(&handler.executable),
            },
            arguments: handler.arguments.clone(),
            working_directory: match &handler.working_directory {
                Some(folder) => app.root.join(folder),
                None => app.root.clone(),
            },
            app_root: app.root.clone(),
            stderr_for_errors_only: handler.stderr_for_errors_only,
            initialization_timeout: handler.initialization_timeout,
            environment,
        }
    }

    /// Starts the process, which is to listen on `port`.
    ///
    /// # Errors
    /// What the host logs: the file, and what is wrong with it.
    pub(super) fn spawn(&self, port: u16) -> Result<Child, String> {
        let worker_id = Uuid::new_v4().to_string();
        let added = [
            ("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string()),
            ("FUNCTIONS_HTTPWORKER_PORT", port.to_string()),
            ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", worker_id.clone()),
            ("FUNCTIONS_HTTPWORKER_ID", worker_id),
            (
                "FUNCTIONS_APP_ROOT_PATH",
                self.app_root.display().to_string(),
            ),
        ];
        let mut changes = (self.environment.0)();
        changes.extend(added.map(|(name, value)| (name.to_owned(), Some(value))));

        let mut variables: HashMap<_, _> = environment_variables().collect();
        for (name, value) in changes.iter().cloned() {
            match value {
                Some(value) => variables.insert(name, value),
                None => variables.remove(&name),
            };
        }
        let expand = |text: &str| expand(text, |name| variables.get(name).cloned());
        let executable = match self.executable.to_str() {
            Some(path) => resolve(&self.app_root, Path::new(&expand(path))),
            None => self.executable.clone(),
        };
        let arguments: Vec<String> = self.arguments.iter().map(|text| expand(text)).collect();

        let mut command = Command::new(&executable);
        command
            .args(split_command_line(&arguments.join(" ")))
            .current_dir(&self.working_directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, value) in changes {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let failure = |error: io::Error| {
            let mut text = format!(
                "Failed to start Worker Channel. Process fileName: {}: {error}",
                executable.display()
            );
            if !self.working_directory.is_dir() {
                text += &format!(
                    "\nhost.json's workingDirectory is not a folder: {}",
                    self.working_directory.display()
                );
            }
            text
        };
        if variables.contains_key(CONTAINER_NAME) {
            make_executable(&executable).map_err(failure)?;
        }
        command.spawn().map_err(failure)
    }
}

/// Makes the file executable for all users, if it exists. Otherwise the executable may be on the search path.
#[cfg(unix)]
fn make_executable(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let Ok(metadata) = file.metadata() else {
        return Ok(());
    };
    let mut permissions = metadata.permissions();
    if permissions.mode() & 0o111 == 0o111 {
        return Ok(());
    }
    permissions.set_mode(permissions.mode() | 0o111);
    std::fs::set_permissions(file, permissions)
}

#[cfg(not(unix))]
fn make_executable(_file: &Path) -> io::Result<()> {
    Ok(())
}

/// Expands `%NAME%`; a name without a value is removed.
fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = rest.split_once('%').and_then(|(before, from)| {
        from.split_once('%')
            .map(|(name, after)| (before, name, after))
    }) {
        expanded.push_str(before);
        expanded.push_str(&value(name).unwrap_or_default());
        rest = after;
    }
    expanded + rest
}

/// A path within the folder. A bare name without such a file is left to the search path.
fn resolve(folder: &Path, path: &Path) -> PathBuf {
    let is_name = path.components().count() == 1;
    match std::path::absolute(folder.join(path)) {
        Ok(inside) if inside.is_file() || !is_name => inside,
        _ => path.to_owned(),
    }
}

/// The host writes one command line, which the system splits again: blanks separate unless they are
/// quoted.
fn split_command_line(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'"') => {
                current.get_or_insert_default().extend(characters.next());
            }
            '"' => {
                quoted = !quoted;
                current.get_or_insert_default();
            }
            blank if blank.is_whitespace() && !quoted => arguments.extend(current.take()),
            other => current.get_or_insert_default().push(other),
        }
    }
    arguments.extend(current);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_and_unknown_ones_removed() {
        let value = |name: &str| (name == "PORT").then(|| "7071".to_owned());
        assert_eq!(
            expand("--port=%PORT% %NONE%x 100%", value),
            "--port=7071 x 100%"
        );
    }

    #[test]
    fn the_command_line_is_split_at_blanks_outside_quotes() {
        assert_eq!(
            split_command_line(r#"--a  "b c" d\"e """#),
            ["--a", "b c", "d\"e", ""]
        );
    }
}
