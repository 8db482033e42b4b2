//! The custom handler's process: started, watched and restarted as the Functions host does.
//!
//! Source: recordings `functions-host`.

mod command;
mod log;
mod probe;

use std::{
    collections::VecDeque,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

pub use self::command::{Environment, HandlerCommand};
use self::log::level_of_stderr;
use super::timings::HostTimings;
pub use crate::events::{Level, LogLine, Stream};
use crate::{
    events::{Event, Events},
    loopback,
};

/// The exit code by which a process asks to be started again.
const RESTART_EXIT_CODE: i32 = 200;

/// The host gives up when it has seen this many failures.
const FAILURES_TOLERATED: u32 = 3;

/// A failure no longer counts when the next one comes later than this.
const FAILURES_EXPIRE_AFTER: Duration = Duration::from_secs(30 * 60);

/// The host's message when it gives a failing process up.
const GIVEN_UP: &str = "Exceeded http worker restart retry count. Shutting down Functions Host";

/// Why the host kills a process and starts another.
const CALL_TIMED_OUT: &str = "a call took longer than functionTimeout";

/// How many lines of the process are kept.
const LOG_CAPACITY: usize = 20_000;

/// The process, across all its restarts, or a process that runs outside the sandbox.
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
    timings: HostTimings,
}

#[derive(Clone, Debug)]
struct Status {
    phase: Phase,
    /// What keeps the process from being called. It is set as soon as it is known, long before the host acts on it.
    trouble: Option<HandlerFailure>,
    pid: Option<u32>,
    start_up: Option<Duration>,
    restarts: u32,
}

#[derive(Clone, Debug)]
enum Phase {
    Starting,
    Ready,
    /// It left with exit code 0, which the host does not notice, or was stopped: every call is refused a connection.
    Gone,
    /// It cannot be started, which the host only logs: every call waits.
    NotStarted,
    /// It failed too often: the host ends.
    GivenUp,
}

/// An order to the supervisor. When all senders of orders are gone, the supervisor stops the process as well.
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

/// Why the process cannot be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerFailure(String);

impl fmt::Display for HandlerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HandlerFailure {}

impl HandlerProcess {
    /// Starts the process on a free port and supervises it.
    ///
    /// # Errors
    /// When no port is free. A process that does not start, or does not stay, shows in
    /// [`started`](Self::started).
    pub fn start(
        command: HandlerCommand,
        timings: HostTimings,
        events: Events,
    ) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, loopback::free_port()?));
        let shared = Arc::new(Shared::new(address, Phase::Starting, timings, events)?);
        let (orders, receiver) = mpsc::unbounded_channel();
        tokio::spawn(supervise(shared.clone(), command, receiver));
        Ok(Self { shared, orders })
    }

    /// Represents a process that listens at `address` and that the sandbox neither starts nor stops.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn attach(address: SocketAddr, timings: HostTimings, events: Events) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(address, Phase::Ready, timings, events)?);
        Ok(Self {
            shared,
            orders: mpsc::unbounded_channel().0,
        })
    }

    /// Represents the process of a host that does not start, and so never starts a process.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(super) fn none(problem: String) -> io::Result<Self> {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (timings, events) = (HostTimings::default(), Events::default());
        let shared = Shared::new(nowhere, Phase::Starting, timings, events)?;
        shared.settle(Phase::NotStarted, Some(HandlerFailure(problem)));
        Ok(Self {
            shared: Arc::new(shared),
            orders: mpsc::unbounded_channel().0,
        })
    }

    /// The id of the running process.
    pub fn pid(&self) -> Option<u32> {
        self.shared.status.borrow().pid
    }

    /// The time from the latest start to the first answer, in steps of 30 ms.
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

    /// Waits until the process can be called, as long as the host lets a call wait: once the host has given the process
    /// up, until the host ends.
    ///
    /// # Errors
    /// When the time for it is over.
    pub async fn ready(&self) -> Result<(), HandlerFailure> {
        let mut status = self.shared.status.subscribe();
        let settled = status.wait_for(|status| matches!(status.phase, Phase::Ready | Phase::Gone));
        match timeout(self.shared.timings.wait_for_handler, settled).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self
                .trouble()
                .unwrap_or_else(|| HandlerFailure("the handler is still being started".into()))),
        }
    }

    /// Waits until the process answers, or until it shows that it never will.
    ///
    /// # Errors
    /// What keeps it from being called; the host itself may not have noticed.
    pub async fn started(&self) -> Result<(), HandlerFailure> {
        let mut status = self.shared.status.subscribe();
        let settled = status.wait_for(|status| {
            status.trouble.is_some() || matches!(status.phase, Phase::Ready | Phase::Gone)
        });
        match settled.await.map(|status| status.trouble.clone()) {
            Ok(Some(trouble)) => Err(trouble),
            _ => Ok(()),
        }
    }

    /// What keeps the process from being called, if known.
    pub fn trouble(&self) -> Option<HandlerFailure> {
        self.shared.status.borrow().trouble.clone()
    }

    /// Waits until the host gives the process up; false when it never will.
    pub(super) fn given_up(&self) -> impl Future<Output = bool> + use<> {
        let mut status = self.shared.status.subscribe();
        async move {
            let end = status
                .wait_for(|status| matches!(status.phase, Phase::GivenUp | Phase::Gone))
                .await;
            end.is_ok_and(|status| matches!(status.phase, Phase::GivenUp))
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

    pub(super) fn count_invocation(&self) {
        self.shared.invocations.fetch_add(1, Ordering::Relaxed);
    }

    /// Kills the process with this id, if it still runs, and starts another: what the host does
    /// when a call takes too long.
    pub(super) fn restart(&self, pid: Option<u32>) {
        if let Some(pid) = pid {
            // No call may reach it in the meantime.
            self.shared.status.send_if_modified(|status| {
                let is_current = status.pid == Some(pid) && matches!(status.phase, Phase::Ready);
                if is_current {
                    status.phase = Phase::Starting;
                }
                is_current
            });
            let _ = self.orders.send(Order::Restart(pid));
        }
    }
}

impl Shared {
    fn new(
        address: SocketAddr,
        phase: Phase,
        timings: HostTimings,
        events: Events,
    ) -> io::Result<Self> {
        let status = Status {
            phase,
            trouble: None,
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
            timings,
        })
    }

    /// Records that the process is gone for good.
    fn settle(&self, phase: Phase, trouble: Option<HandlerFailure>) {
        self.status.send_modify(|status| {
            status.phase = phase;
            status.trouble = trouble;
            status.pid = None;
        });
    }

    fn record_start(&self, pid: u32) {
        self.status.send_modify(|status| {
            status.pid = Some(pid);
            status.start_up = None;
        });
        self.events.emit(Event::HandlerStarted { pid });
    }

    /// Records that the process can be called, this long after its start.
    fn record_readiness(&self, after: Duration) {
        self.events.emit(Event::HandlerReady { after });
        self.status.send_modify(|status| {
            status.phase = Phase::Ready;
            status.trouble = None;
            status.start_up = Some(after);
        });
    }

    /// Records what keeps the process from being called, before the host notices it.
    fn record_trouble(&self, reason: &str) {
        self.status.send_modify(|status| {
            status
                .trouble
                .get_or_insert_with(|| HandlerFailure(reason.to_owned()));
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
}

/// Runs the process again and again until it is stopped, exits with code 0 or fails too often.
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
            End::Stopped => return shared.settle(Phase::Gone, None),
            End::Left => {
                let reason = "exited with code 0; the host does not start it again";
                ended(reason.into());
                return shared.settle(Phase::Gone, Some(HandlerFailure(reason.into())));
            }
            End::NotStarted(reason) => {
                ended(format!(
                    "{reason}\nthe host does not try again; calls wait, and then fail"
                ));
                shared.settle(Phase::NotStarted, Some(HandlerFailure(reason)));
                // The host goes on without it until it is stopped itself.
                while !matches!(orders.recv().await, Some(Order::Stop) | None) {}
                return;
            }
            End::RestartAsked(reason) => ended(format!("{reason}; it is started again")),
            End::Failed(reason) => {
                if last_failure.is_some_and(|at| at.elapsed() > FAILURES_EXPIRE_AFTER) {
                    failures = 0;
                }
                failures += 1;
                last_failure = Some(Instant::now());
                if failures == FAILURES_TOLERATED {
                    ended(format!("{reason}\n{GIVEN_UP}"));
                    shared.settle(Phase::GivenUp, Some(HandlerFailure(reason)));
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
        Err(reason) => return End::NotStarted(reason),
    };
    let Some(pid) = child.id() else {
        return End::NotStarted("the process has no id".into());
    };
    shared.record_start(pid);
    let mut pumps = pass_on_output(shared, command, &mut child, pid);

    let mut ready = std::pin::pin!(probe::answers(
        shared.address,
        command.initialization_timeout
    ));
    let mut is_ready = false;
    let mut has_left = false;
    let end = loop {
        tokio::select! {
            status = child.wait(), if !has_left => {
                // From now on calls wait for the next process.
                shared.status.send_modify(|status| status.phase = Phase::Starting);
                wait_for_last_lines(&mut pumps).await;
                match classify_exit(status, &shared.last_errors(pid)) {
                    // The host does not notice, and keeps probing.
                    End::Left if !is_ready => {
                        has_left = true;
                        shared.record_trouble("the process exited with code 0 before it answered GET /");
                    }
                    end => return end,
                }
            }
            answers = &mut ready, if !is_ready => {
                if !answers {
                    let reason = "Initializing HttpWorker timed out.";
                    let limit = command.initialization_timeout;
                    shared.record_trouble(&format!(
                        "{reason} It did not answer GET / at its port within {limit:?}"
                    ));
                    break End::Failed(reason.into());
                }
                is_ready = true;
                shared.record_readiness(started.elapsed());
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

fn classify_exit(status: io::Result<ExitStatus>, last_errors: &str) -> End {
    let status = match status {
        Ok(status) => status,
        Err(error) => return End::Failed(format!("waiting for the process failed: {error}")),
    };
    match status.code() {
        Some(0) => End::Left,
        Some(RESTART_EXIT_CODE) => End::RestartAsked("exited with code 200".into()),
        _ => End::Failed(format!("the process ended with {status}{last_errors}")),
    }
}

/// Passes the lines of the process on, by a task for each stream.
fn pass_on_output(
    shared: &Arc<Shared>,
    command: &HandlerCommand,
    child: &mut Child,
    pid: u32,
) -> [Option<JoinHandle<()>>; 2] {
    let errors_only = command.stderr_for_errors_only;
    let stdout = child.stdout.take().map(|pipe| {
        let level = |_: &str| Level::Information;
        tokio::spawn(pass_on_lines(
            pipe,
            pid,
            Stream::Stdout,
            level,
            shared.clone(),
        ))
    });
    let stderr = child.stderr.take().map(|pipe| {
        let level = move |text: &str| level_of_stderr(text, errors_only);
        tokio::spawn(pass_on_lines(
            pipe,
            pid,
            Stream::Stderr,
            level,
            shared.clone(),
        ))
    });
    [stdout, stderr]
}

/// Waits for the last lines of a process that has left, which are still on their way; a child of its own could hold
/// the pipe open forever.
async fn wait_for_last_lines(pumps: &mut [Option<JoinHandle<()>>]) {
    for pump in pumps.iter_mut().flatten() {
        let _ = timeout(Duration::from_secs(1), pump).await;
    }
}

/// Passes the lines of one stream on.
async fn pass_on_lines(
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
