//! The program's standard output: the banner and then the log, a line for each event, for people or, as JSON, for
//! programs.

mod banner;
mod line;
mod ready;

use std::{
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use sandbox::{Profile, Sandbox, events::Events};

use self::ready::Ready;

/// The format of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned lines, coloured on a terminal unless `NO_COLOR` is set.
    Text,
    /// A JSON object on each line, the first of which has the addresses and keys.
    Json,
}

/// The program's standard output.
pub struct Terminal {
    format: Format,
    is_quiet: bool,
    /// JSON lines that are held back until the first is printed.
    held: Mutex<Option<Vec<String>>>,
}

impl Terminal {
    /// An output of this format. A quiet one does not print the log.
    pub fn new(format: Format, is_quiet: bool) -> Arc<Self> {
        Arc::new(Self {
            format,
            is_quiet,
            held: Mutex::new((format == Format::Json).then(Vec::new)),
        })
    }

    /// Prints each event as a line.
    pub fn events(self: &Arc<Self>) -> Events {
        if self.is_quiet {
            return Events::default();
        }
        let terminal = self.clone();
        Events::to(move |event| match terminal.format {
            Format::Text => print(&line::text(&event)),
            Format::Json => terminal.print_or_hold(line::json(&event)),
        })
    }

    /// Prints the banner, or the first line of JSON.
    pub fn ready(&self, sandbox: &Sandbox, profile: Profile) {
        let ready = Ready::new(sandbox, profile);
        match self.format {
            Format::Text => print(&banner::text(sandbox, &ready, self.is_quiet)),
            Format::Json => {
                print(&ready.json());
                let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
                for line in held.take().into_iter().flatten() {
                    print(&line);
                }
            }
        }
    }

    fn print_or_hold(&self, line: String) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Some(held) => held.push(line),
            None => print(&line),
        }
    }
}

fn print(text: &str) {
    // A closed output is no reason to stop.
    let _ = writeln!(anstream::stdout(), "{text}");
}
