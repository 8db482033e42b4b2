//! The custom handler's process: started, watched and restarted as the Functions host does.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::app_files::{AppFiles, environment_variables};
use crate::events::{Event, Events};
use crate::loopback;

/// How often the host asks a starting process whether it is ready.
const PROBE_INTERVAL: Duration = Duration::from_millis(25);

/// The exit code by which a process asks to be started again.
const RESTART_EXIT_CODE: i32 = 200;

/// The host gives up when it has seen this many failures.
const FAILURES_TOLERATED: u32 = 3;

/// A failure is forgiven when the next one comes later than this.
const FAILURES_FORGIVEN_AFTER: Duration = Duration::from_secs(30 * 60);

/// How long the host lets an invocation wait for a process that is being started.
const WAIT_FOR_READY: Duration = Duration::from_secs(4 * 30);

/// The host's last words when a process fails again and again.
const GIVEN_UP: &str = "Exceeded http worker restart retry count. Shutting down Functions Host";

/// Why the host kills a process and starts another.
const CALL_TIMED_OUT: &str = "a call took longer than functionTimeout";

/// How many lines of the process are kept.
const LOG_CAPACITY: usize = 20_000;

/// How to start the process.
#[derive(Debug, Clone)]
pub struct HandlerCommand {
    executable: PathBuf,
    arguments: Vec<String>,
    working_directory: PathBuf,
    app_root: PathBuf,
    stderr_for_errors_only: bool,
    initialization_timeout: Duration,
    environment: Environment,
}

/// Variables of the process besides those that it inherits and those that the host adds. Asked for
/// at each start, since some values change with it; `None` removes an inherited variable.
#[derive(Clone)]
pub struct Environment(Arc<dyn Fn() -> Vec<(String, Option<String>)> + Send + Sync>);

impl Environment {
    /// Asks `variables` at each start.
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

/// Values are kept out: some are secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl HandlerCommand {
    /// The command that host.json describes, or the one with another executable.
    pub fn new(app: &AppFiles, executable: Option<PathBuf>, environment: Environment) -> Self {
        let handler = &app.host.custom_handler;
        let folder = match &handler.working_directory {
            Some(folder) => app.root.join(folder),
            None => app.root.clone(),
        };
        let executable = match executable {
            Some(path) => resolve(Path::new("."), &path),
            None => {
                let variables: HashMap<_, _> = environment_variables().collect();
                let path = expand(&handler.executable, |name| variables.get(name).cloned());
                resolve(&folder, Path::new(&path))
            }
        };
        Self {
            executable,
            arguments: handler.arguments.clone(),
            working_directory: folder,
            app_root: app.root.clone(),
            stderr_for_errors_only: handler.stderr_for_errors_only,
            initialization_timeout: handler.initialization_timeout,
            environment,
        }
    }

    fn spawn(&self, port: u16) -> io::Result<Child> {
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
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .map(|argument| expand(argument, |name| variables.get(name).cloned()))
            .collect();

        let mut command = Command::new(&self.executable);
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
        command.spawn()
    }
}

/// Replaces `%NAME%`; a name without a value leaves nothing.
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

/// A path within the folder if there is such a file; otherwise left to the search path.
fn resolve(folder: &Path, path: &Path) -> PathBuf {
    match std::path::absolute(folder.join(path)) {
        Ok(inside) if inside.is_file() => inside,
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

/// Which of its streams a process wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How the host logs a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Everything on standard output.
    Information,
    /// A line on standard error that contains "warn".
    Warning,
    /// Any other line on standard error.
    Error,
}

/// A line that the process wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// The process that wrote it.
    pub pid: u32,
    /// Where it wrote it.
    pub stream: Stream,
    /// What the host takes it for.
    pub level: Level,
    /// The line without its end.
    pub text: String,
}

/// The level of a line on standard error. `errors_only` is `useStdErrorStreamForErrorsOnly` of
/// host.json.
fn level_of_stderr(line: &str, errors_only: bool) -> Level {
    let line = line.to_lowercase();
    let contains = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if contains(&["warn"]) {
        Level::Warning
    } else if errors_only || contains(&["error", "fail", "severe", "unhandled exception"]) {
        Level::Error
    } else {
        Level::Information
    }
}

/// The process, over all its restarts; or a process that somebody else runs.
#[derive(Debug)]
pub struct HandlerProcess {
    shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    status: watch::Sender<Status>,
    log: watch::Sender<VecDeque<LogLine>>,
    invocations: AtomicU64,
    events: Events,
    client: reqwest::Client,
}

#[derive(Debug, Clone)]
struct Status {
    phase: Phase,
    pid: Option<u32>,
    start_up: Option<Duration>,
    restarts: u32,
}

#[derive(Debug, Clone)]
enum Phase {
    Starting,
    Ready,
    /// It left with exit code 0, which the host does not notice, or was stopped: every call finds
    /// nobody listening.
    Gone,
    GivenUp(HandlerFailure),
}

/// What the supervisor is told to do. When nobody can tell it anything any more, it stops the
/// process as well.
#[derive(Debug)]
enum Order {
    Stop,
    /// Kill the process with this id and start another.
    Restart(u32),
}

/// Why one run of the process ended.
enum End {
    Stopped,
    Left,
    RestartAsked(String),
    Failed(String),
    NotStarted(String),
}

/// The host has given the process up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerFailure(String);

impl fmt::Display for HandlerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HandlerFailure {}

impl HandlerProcess {
    /// Starts the process on a free port and watches over it.
    ///
    /// # Errors
    /// When no port is free. A process that does not start, or does not stay, shows in
    /// [`ready`](Self::ready).
    pub fn start(command: HandlerCommand, events: Events) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, loopback::free_port()?));
        let shared = Arc::new(Shared::new(address, Phase::Starting, events)?);
        let (orders, receiver) = mpsc::unbounded_channel();
        tokio::spawn(supervise(Arc::clone(&shared), command, receiver));
        Ok(Self { shared, orders })
    }

    /// Stands for a process that listens at `address` and is not the sandbox's to start or stop.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn attach(address: SocketAddr, events: Events) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(address, Phase::Ready, events)?);
        Ok(Self {
            shared,
            orders: mpsc::unbounded_channel().0,
        })
    }

    /// The id of the running process.
    pub fn pid(&self) -> Option<u32> {
        self.shared.status.borrow().pid
    }

    /// The time from the latest start to the first answer, in steps of 25 ms.
    pub fn start_up(&self) -> Option<Duration> {
        self.shared.status.borrow().start_up
    }

    /// How often the process was started again.
    pub fn restarts(&self) -> u32 {
        self.shared.status.borrow().restarts
    }

    /// How many tool calls were posted to the process.
    pub fn invocations(&self) -> u64 {
        self.shared.invocations.load(Ordering::Relaxed)
    }

    /// The latest lines of the process, the oldest first.
    pub fn log_lines(&self) -> Vec<LogLine> {
        self.shared.log.borrow().iter().cloned().collect()
    }

    /// Waits for a line that contains `text`, past lines included; `None` if there is none within
    /// `limit`.
    pub async fn wait_for_log(&self, text: &str, limit: Duration) -> Option<LogLine> {
        let find =
            |lines: &VecDeque<LogLine>| lines.iter().find(|line| line.text.contains(text)).cloned();
        let mut lines = self.shared.log.subscribe();
        let lines = timeout(limit, lines.wait_for(|lines| find(lines).is_some()))
            .await
            .ok()?
            .ok()?;
        find(&lines)
    }

    /// Waits until the process can be called.
    ///
    /// # Errors
    /// When the host has given it up, or after two minutes.
    pub async fn ready(&self) -> Result<(), HandlerFailure> {
        let mut status = self.shared.status.subscribe();
        let settled = status.wait_for(|status| !matches!(status.phase, Phase::Starting));
        match timeout(WAIT_FOR_READY, settled).await {
            Ok(Ok(status)) => match &status.phase {
                Phase::GivenUp(failure) => Err(failure.clone()),
                _ => Ok(()),
            },
            _ => Err(HandlerFailure("the handler is still being started".into())),
        }
    }

    /// Kills the process and waits until it is gone.
    pub async fn stop(&self) {
        self.order_stop();
        self.orders.closed().await;
    }

    pub(super) fn order_stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }

    /// The address that the process listens at.
    pub(super) fn address(&self) -> SocketAddr {
        self.shared.address
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        &self.shared.client
    }

    pub(super) fn count_invocation(&self) {
        self.shared.invocations.fetch_add(1, Ordering::Relaxed);
    }

    /// Kills the process with this id, if it still runs, and starts another: what the host does
    /// when a call takes too long.
    pub(super) fn restart(&self, pid: Option<u32>) {
        if let Some(pid) = pid {
            let _ = self.orders.send(Order::Restart(pid));
        }
    }
}

impl Shared {
    fn new(address: SocketAddr, phase: Phase, events: Events) -> io::Result<Self> {
        let status = Status {
            phase,
            pid: None,
            start_up: None,
            restarts: 0,
        };
        Ok(Self {
            address,
            status: watch::Sender::new(status),
            log: watch::Sender::new(VecDeque::new()),
            invocations: AtomicU64::new(0),
            events,
            client: loopback::client()?,
        })
    }

    /// The process is gone, and no other follows.
    fn settle(&self, phase: Phase) {
        self.status.send_modify(|status| {
            status.phase = phase;
            status.pid = None;
        });
    }

    fn log(&self, line: LogLine) {
        self.log.send_modify(|lines| {
            if lines.len() == LOG_CAPACITY {
                lines.pop_front();
            }
            lines.push_back(line.clone());
        });
        self.events.emit(Event::HandlerLog(line));
    }

    /// The last errors that a process wrote, each on a line of its own, for the reason of its end.
    fn last_errors(&self, pid: u32) -> String {
        let lines = self.log.borrow();
        let errors = lines
            .iter()
            .filter(|line| line.pid == pid && line.level == Level::Error);
        let errors: Vec<_> = errors.map(|line| format!("\n  {}", line.text)).collect();
        errors[errors.len().saturating_sub(3)..].concat()
    }

    /// Whether the process answers in time. Any answer counts, and so does any failure but that of
    /// connecting.
    async fn probe(&self, limit: Duration) -> bool {
        let mut waited = Duration::ZERO;
        while waited < limit {
            match self
                .client
                .get(format!("http://{}/", self.address))
                .send()
                .await
            {
                Err(error) if error.is_connect() => {}
                _ => return true,
            }
            sleep(PROBE_INTERVAL).await;
            waited += PROBE_INTERVAL;
        }
        false
    }
}

/// Runs the process again and again until it is stopped, leaves or fails too often.
async fn supervise(
    shared: Arc<Shared>,
    command: HandlerCommand,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let mut failures = 0;
    let mut last_failure: Option<Instant> = None;
    loop {
        let end = run(&shared, &command, &mut orders).await;
        let ended = |reason: String| shared.events.emit(Event::HandlerEnded { reason });
        match end {
            End::Stopped => return shared.settle(Phase::Gone),
            End::Left => {
                ended("exited with code 0; the host does not start it again".into());
                shared.settle(Phase::Gone);
                return;
            }
            End::NotStarted(reason) => {
                ended(reason.clone());
                shared.settle(Phase::GivenUp(HandlerFailure(reason)));
                return;
            }
            End::RestartAsked(reason) => ended(format!("{reason}; it is started again")),
            End::Failed(reason) => {
                if last_failure.is_some_and(|at| at.elapsed() > FAILURES_FORGIVEN_AFTER) {
                    failures = 0;
                }
                failures += 1;
                last_failure = Some(Instant::now());
                if failures == FAILURES_TOLERATED {
                    ended(format!("{reason}\n{GIVEN_UP}"));
                    shared.settle(Phase::GivenUp(HandlerFailure(reason)));
                    return;
                }
                let retries = FAILURES_TOLERATED - 1;
                ended(format!(
                    "{reason}\nit is started again ({failures} of {retries})"
                ));
            }
        }
        shared.status.send_modify(|status| {
            status.phase = Phase::Starting;
            status.pid = None;
            status.restarts += 1;
        });
    }
}

/// Runs the process once.
async fn run(
    shared: &Arc<Shared>,
    command: &HandlerCommand,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> End {
    let started = Instant::now();
    let mut child = match command.spawn(shared.address.port()) {
        Ok(child) => child,
        // The host only logs this and lets calls wait for minutes; here it is told at once.
        Err(error) => {
            let executable = command.executable.display();
            return End::NotStarted(format!(
                "Failed to start Worker Channel. Process fileName: {executable}: {error}"
            ));
        }
    };
    let Some(pid) = child.id() else {
        return End::NotStarted("the process has no id".into());
    };
    shared.status.send_modify(|status| {
        status.pid = Some(pid);
        status.start_up = None;
    });
    shared.events.emit(Event::HandlerStarted { pid });

    let errors_only = command.stderr_for_errors_only;
    let stdout = child.stdout.take().map(|pipe| {
        let level = |_: &str| Level::Information;
        tokio::spawn(pump(pipe, pid, Stream::Stdout, level, Arc::clone(shared)))
    });
    let stderr = child.stderr.take().map(|pipe| {
        let level = move |text: &str| level_of_stderr(text, errors_only);
        tokio::spawn(pump(pipe, pid, Stream::Stderr, level, Arc::clone(shared)))
    });

    let mut ready = std::pin::pin!(shared.probe(command.initialization_timeout));
    let mut is_ready = false;
    let end = loop {
        tokio::select! {
            status = child.wait() => {
                // What it wrote last is still on its way; a child of its own could hold the pipe
                // open for ever.
                for pump in [stdout, stderr].into_iter().flatten() {
                    let _ = timeout(Duration::from_secs(1), pump).await;
                }
                return end_of(status, is_ready, &shared.last_errors(pid));
            }
            answers = &mut ready, if !is_ready => {
                if !answers {
                    break End::Failed("Initializing HttpWorker timed out.".into());
                }
                is_ready = true;
                let after = started.elapsed();
                shared.events.emit(Event::HandlerReady { after });
                shared.status.send_modify(|status| {
                    status.phase = Phase::Ready;
                    status.start_up = Some(after);
                });
            }
            order = orders.recv() => match order {
                Some(Order::Restart(other)) if other != pid => {}
                Some(Order::Restart(_)) => break End::RestartAsked(CALL_TIMED_OUT.into()),
                Some(Order::Stop) | None => break End::Stopped,
            },
        }
    };
    let _ = child.kill().await;
    end
}

fn end_of(status: io::Result<ExitStatus>, was_ready: bool, last_errors: &str) -> End {
    let status = match status {
        Ok(status) => status,
        Err(error) => return End::Failed(format!("the process is lost: {error}")),
    };
    match status.code() {
        Some(0) if was_ready => End::Left,
        // The host would go on asking a process that is not there until the time for its start is
        // over.
        Some(0) => End::Failed("the process exited with code 0 before it answered GET /".into()),
        Some(RESTART_EXIT_CODE) => End::RestartAsked("exited with code 200".into()),
        _ => End::Failed(format!("the process ended with {status}{last_errors}")),
    }
}

/// Passes the lines of one stream on.
async fn pump(
    pipe: impl AsyncRead + Unpin,
    pid: u32,
    stream: Stream,
    level: impl Fn(&str) -> Level,
    shared: Arc<Shared>,
) {
    let mut lines = BufReader::new(pipe).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\r').to_owned();
        let level = level(&text);
        shared.log(LogLine {
            pid,
            stream,
            level,
            text,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_and_unknown_ones_vanish() {
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

    #[test]
    fn standard_error_is_an_error_unless_it_warns() {
        assert_eq!(level_of_stderr("boom", true), Level::Error);
        assert_eq!(level_of_stderr("Warning: slow", true), Level::Warning);
        assert_eq!(level_of_stderr("listening", false), Level::Information);
        assert_eq!(level_of_stderr("it failed", false), Level::Error);
    }
}
