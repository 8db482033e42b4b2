//! A proxy that the environment names sees no token: plain http never goes through it, and of https it sees only the
//! destination.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use sandbox::{Profile, SandboxOptions};

use crate::support::App;

/// A proxy that refuses every request, and records it.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let remembered = asked.clone();
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let mut line = String::new();
                let _ = BufReader::new(&connection).read_line(&mut line);
                remembered.lock().unwrap().push(line.trim().to_owned());
                let _ = connection.write_all(
                    b"HTTP/1.1 502 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The app with this proxy in those `variables`.
    async fn app(&self, variables: &[&str], change: impl FnOnce(&mut SandboxOptions)) -> App {
        let proxy = variables.iter().map(|name| (*name, self.url.as_str()));
        let everywhere = ["NO_PROXY", "no_proxy"].map(|name| (name, ""));
        let variables = proxy
            .chain(everywhere)
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        App::start_with(|options| {
            options.extra_env.extend(variables);
            change(options);
        })
        .await
    }
}

#[tokio::test]
async fn plain_http_goes_through_no_proxy() {
    let proxy = Proxy::start();
    let variables = [
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "HTTPS_PROXY",
        "https_proxy",
    ];
    let app = proxy.app(&variables, |_| ()).await;
    let answer = app.hello("ada").await;
    assert_eq!(answer.text, "Hello, Ada Lovelace (ada@contoso.example)!");
    assert_eq!(proxy.asked(), [""; 0]);
}

#[tokio::test]
async fn https_goes_through_the_proxy_that_the_environment_names() {
    let proxy = Proxy::start();
    let graph = ("MICROSOFT_GRAPH_ENDPOINT", "https://graph.contoso.example");
    let app = proxy
        .app(&["HTTPS_PROXY", "https_proxy"], |options| {
            options.profile = Profile::Local;
            options.extra_env.push((graph.0.into(), graph.1.into()));
        })
        .await;
    let answer = app.hello_from(&app.client_with(&[]).await).await;
    assert!(answer.is_error, "{}", answer.text);
    let asked = proxy.asked();
    assert!(
        asked
            .iter()
            .all(|line| line == "CONNECT graph.contoso.example:443 HTTP/1.1"),
        "{asked:?}"
    );
    assert!(!asked.is_empty());
}
