use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fly_sim::proxy::{Proxy, Route, Routes, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on any machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Routes that a test sets.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) routes: Mutex<HashMap<String, Route>>,
    /// What a wake makes of the route, if it does anything.
    pub(crate) woken: Mutex<HashMap<String, Route>>,
}

#[async_trait]
impl Routes for Table {
    async fn route(&self, app: &str) -> Route {
        self.routes.lock().unwrap().get(app).cloned().unwrap_or(Route::Unknown)
    }

    async fn wake(&self, app: &str) -> bool {
        let woken = self.woken.lock().unwrap().remove(app);
        woken.is_some_and(|route| self.routes.lock().unwrap().insert(app.to_owned(), route).is_some())
    }
}

/// A proxy with its table.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) table: Arc<Table>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
}

impl Edge {
    pub(crate) async fn new() -> Self {
        let table = Arc::new(Table::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(Proxy::serve(listener, Arc::clone(&table) as Arc<dyn Routes>, shutdown.clone()));
        Self { address, table, shutdown, serving }
    }

    pub(crate) fn route(&self, app: &str, route: Route) {
        self.table.routes.lock().unwrap().insert(app.to_owned(), route);
    }

    /// Sends a request's text and reads the answer to the end of the connection.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

/// A machine that listens at this address.
pub(crate) fn to(address: SocketAddr) -> Route {
    Route::To(Target { machine: "148e01d2a51189".to_owned(), region: "fra".to_owned(), address })
}

/// A listener in the place of a machine's program.
pub(crate) async fn machine() -> (TcpListener, Route) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = to(listener.local_addr().unwrap());
    (listener, route)
}

/// Accepts one connection and reads a request's head from it, and whatever came with it.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = tokio::time::timeout(LONG, listener.accept()).await.unwrap().unwrap();
    let head = until(&mut stream, "\r\n\r\n").await;
    (stream, head)
}

pub(crate) async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&bytes).contains(end) {
            let count = stream.read_buf(&mut bytes).await.unwrap();
            assert!(count > 0, "the connection ended after {:?}", String::from_utf8_lossy(&bytes));
        }
    };
    tokio::time::timeout(LONG, read).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(LONG, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

/// The value of a header field in a message's text.
pub(crate) fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}
