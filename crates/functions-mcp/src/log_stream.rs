//! A stream of log lines whose writers never wait.
//!
//! Standard output and standard error are pipes to the Functions host. While the host does not read one, a write to
//! it blocks, and so would the code that logs. So a thread of its own writes the lines, from a queue of bounded length;
//! lines that find the queue full are dropped and counted, and the count is a line of the log.
//!
//! `tracing-appender` has such a queue too, but it does not report what it dropped, and when the program ends while
//! its queue is full, it prints to the stream that is not being read.

use std::{
    io::{self, Write},
    iter,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// The most lines that wait; the busiest app writes as many in about a second.
const CAPACITY: usize = 4096;
/// The pause between two writes, so that a busy app pays for one write and one wake-up for many lines.
const PAUSE: Duration = Duration::from_millis(5);

/// The destination of log lines. Each write is one or more whole lines.
#[derive(Debug)]
pub struct LogStream {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicUsize>,
}

enum Message {
    Line(Vec<u8>),
    /// Everything before this has been written.
    Written(SyncSender<()>),
}

impl LogStream {
    /// Starts the thread that writes to `stream`.
    pub fn to(stream: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, messages) = sync_channel(CAPACITY);
        let dropped = Arc::new(AtomicUsize::new(0));
        let counted = dropped.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&messages, stream, &counted))?;
        Ok(Self { queue, dropped })
    }

    /// Waits until all lines so far have been written, but no longer than `limit`.
    pub fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (sender, written) = sync_channel(1);
        let mut message = Message::Written(sender);
        while let Err(TrySendError::Full(again)) = self.queue.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            message = again;
            thread::sleep(PAUSE);
        }
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl Write for &LogStream {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Errors are ignored: there is no other place to report them.
fn write_all(messages: &Receiver<Message>, mut stream: impl Write, dropped: &AtomicUsize) {
    let mut lines = Vec::new();
    let mut waiting = Vec::new();
    for first in messages {
        for message in iter::once(first).chain(messages.try_iter().take(CAPACITY)) {
            match message {
                Message::Line(line) => lines.extend(line),
                Message::Written(tell) => waiting.push(tell),
            }
        }
        let dropped = dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let _ = writeln!(
                lines,
                " WARN log lines were dropped because nobody read them in time dropped={dropped}"
            );
        }
        let _ = stream.write_all(&lines).and_then(|()| stream.flush());
        lines.clear();
        for tell in waiting.drain(..) {
            let _ = tell.send(());
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// A pipe whose reader begins to read when the lock is given back.
    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            read.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn nobody_waits_for_a_reader_and_what_was_dropped_is_counted() {
        let pipe = Pipe::default();
        let stream = LogStream::to(pipe.clone()).unwrap();
        let total = 4 * CAPACITY;
        let not_reading = pipe.0.lock().unwrap();
        for number in 0..total {
            (&stream)
                .write_all(format!("line {number}\n").as_bytes())
                .unwrap();
        }
        stream.flush(Duration::from_millis(50));
        drop(not_reading);
        stream.flush(LONG);
        (&stream).write_all(b"last\n").unwrap();
        stream.flush(LONG);

        let text = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        let written = text
            .lines()
            .filter(|line| line.starts_with("line "))
            .count();
        let dropped: usize = text
            .lines()
            .filter_map(|line| line.split_once("dropped="))
            .map(|(_, count)| count.parse::<usize>().unwrap())
            .sum();
        // One queue is being written, another is full.
        assert!(dropped >= total - 2 * CAPACITY - 2, "{dropped}");
        assert_eq!(written + dropped, total);
        assert!(text.starts_with("line 0\n") || text.contains("\nline 0\n"));
        assert!(text.ends_with("last\n"));
    }
}
