//! The host's probe of whether the process listens.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

/// The wait between two probes.
const INTERVAL: Duration = Duration::from_millis(30);

/// Whether the process answers within `limit`. Only the time between two probes counts: a process that accepts a
/// connection and does not answer is waited for.
pub(super) async fn answers(address: SocketAddr, limit: Duration) -> bool {
    let mut waited = Duration::ZERO;
    while waited < limit {
        if probe(address).await.is_ok() {
            return true;
        }
        sleep(INTERVAL).await;
        waited += INTERVAL;
    }
    false
}

/// Probes once. Any answer counts, and so does any end of an established connection.
async fn probe(address: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    if connection.write_all(request.as_bytes()).await.is_ok() {
        let _ = connection.read(&mut [0; 4096]).await;
    }
    Ok(())
}
