//! The processor time and memory of a process, as the operating system accounts them. Linux only: on other systems,
//! these functions return an error.

#[cfg(target_os = "linux")]
pub use self::linux::{cpu_time, memory_mib, peak_memory_mib};

#[cfg(not(target_os = "linux"))]
pub use self::elsewhere::{cpu_time, memory_mib, peak_memory_mib};

#[cfg(target_os = "linux")]
mod linux {
    use std::{io, time::Duration};

    use procfs::process::Process;

    const MIB: f64 = 1024.0 * 1024.0;

    /// The processor time that a process has used, in user and kernel mode.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn cpu_time(id: u32) -> io::Result<Duration> {
        let stat = process(id)?.stat().map_err(io::Error::other)?;
        let ticks = (stat.utime + stat.stime) as f64;
        Ok(Duration::from_secs_f64(
            ticks / procfs::ticks_per_second() as f64,
        ))
    }

    /// The resident memory of a process, in MiB.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn memory_mib(id: u32) -> io::Result<f64> {
        let statm = process(id)?.statm().map_err(io::Error::other)?;
        Ok((statm.resident * procfs::page_size()) as f64 / MIB)
    }

    /// The peak resident memory of a process, in MiB.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn peak_memory_mib(id: u32) -> io::Result<f64> {
        let status = process(id)?.status().map_err(io::Error::other)?;
        Ok(status.vmhwm.unwrap_or_default() as f64 / 1024.0)
    }

    fn process(id: u32) -> io::Result<Process> {
        Process::new(id.cast_signed()).map_err(io::Error::other)
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::{io, time::Duration};

    /// Always an error.
    pub fn cpu_time(_: u32) -> io::Result<Duration> {
        Err(unsupported())
    }

    /// Always an error.
    pub fn memory_mib(_: u32) -> io::Result<f64> {
        Err(unsupported())
    }

    /// Always an error.
    pub fn peak_memory_mib(_: u32) -> io::Result<f64> {
        Err(unsupported())
    }

    fn unsupported() -> io::Error {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "the benchmark needs Linux: it reads what /proc says of the programs",
        )
    }
}
