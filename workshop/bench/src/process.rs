//! A running program, its processor time and its memory.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sandbox::loopback;

use crate::accounting;

/// The time limit for a start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The interval at which a starting program is probed: short relative to the shortest start.
const PROBE_INTERVAL: Duration = Duration::from_micros(250);

/// A running program, which is killed on drop.
pub struct Process {
    child: Child,
    port: u16,
    started: Instant,
}

impl Process {
    /// Starts the program as the Functions host does; does not wait for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(mut command: Command, variables: &[(&str, String)]) -> io::Result<Self> {
        let port = loopback::free_port()?;
        command
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (name, value) in variables {
            command.env(name, value);
        }
        let started = Instant::now();
        let child = command.spawn()?;
        Ok(Self {
            child,
            port,
            started,
        })
    }

    /// Waits until the program answers `GET /`. Returns the time since it was spawned.
    ///
    /// # Errors
    /// When it ends or takes too long.
    pub fn wait_until_ready(&mut self) -> io::Result<Duration> {
        while !self.answers() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the program ended at once: {status}"
                )));
            }
            if self.started.elapsed() > START_TIMEOUT {
                return Err(io::Error::other("the program does not answer"));
            }
            // The runtime's timers have a resolution of a millisecond.
            std::thread::sleep(PROBE_INTERVAL);
        }
        Ok(self.started.elapsed())
    }

    /// Whether `GET /` is answered with success.
    fn answers(&self) -> bool {
        const SUCCESS: &[u8] = b"HTTP/1.1 200";
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n\r\n",
            Ipv4Addr::LOCALHOST,
            self.port
        );
        let answer = || {
            let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            connection.write_all(request.as_bytes())?;
            let mut status = [0; SUCCESS.len()];
            connection.read_exact(&mut status)?;
            io::Result::Ok(status == SUCCESS)
        };
        answer().unwrap_or(false)
    }

    /// Terminates the program as the Functions host does, and waits until it has ended.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(mut self) -> io::Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// The time since it was spawned.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Its address with `path`, which has no leading slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The processor time it has used, in user and kernel mode.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        accounting::cpu_time(self.child.id())
    }

    /// Its resident memory now, in MiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory_mib(&self) -> io::Result<f64> {
        accounting::memory_mib(self.child.id())
    }

    /// Its peak resident memory, in MiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak_memory_mib(&self) -> io::Result<f64> {
        accounting::peak_memory_mib(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
