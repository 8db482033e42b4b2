//! How the host finds out that the process listens.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long the host waits between two questions.
const INTERVAL: Duration = Duration::from_millis(30);

/// Whether the process answers within `limit`. Only the time between two questions counts: who
/// accepts a connection and then says nothing is waited for.
pub(super) async fn answers(address: SocketAddr, limit: Duration) -> bool {
    let mut waited = Duration::ZERO;
    while waited < limit {
        if ask(address).await.is_ok() {
            return true;
        }
        sleep(INTERVAL).await;
        waited += INTERVAL;
    }
    false
}

/// Asks once. Any answer will do, and so will any end of a connection that came about.
async fn ask(address: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    if connection.write_all(request.as_bytes()).await.is_ok() {
        let _ = connection.read(&mut [0; 4096]).await;
    }
    Ok(())
}
