//! Supervisors, as far as a check sees them: listeners that answer `GET /health`, and listeners that never do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::resource::UsageWho;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

use crate::Outcome;
use crate::scale::spent::processor;

/// Several, so that connections that linger after their end do not use up the ports between two addresses.
const LISTENERS: usize = 16;

/// Connections that the kernel holds for a listener: a whole sweep may arrive while one answer is written.
const BACKLOG: u32 = 4096;

/// What a supervisor with a gateway that is well says.
const REPORT: &str =
    r#"{"instance":"ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f","gateway":{"phase":"ready","since":"2026-11-23T10:00:00Z","restarts":0}}"#;

/// The targets, on a thread of their own, so that what they cost is known apart.
pub(crate) struct Targets {
    answering: Vec<SocketAddr>,
    silent: SocketAddr,
    served: Arc<AtomicU64>,
    runtime: Handle,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Targets {
    pub(crate) async fn start() -> Outcome<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, stop, served) = (runtime.handle().clone(), CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || runtime.block_on(stopped.cancelled()));
        let mut answering = Vec::new();
        for _ in 0..LISTENERS {
            let served = served.clone();
            let serve = move |stream| drop(tokio::spawn(answer(stream, served.clone())));
            answering.push(handle.spawn(listen(serve)).await??);
        }
        let silent = handle.spawn(listen(|stream| drop(tokio::spawn(swallow(stream))))).await??;
        Ok(Self { answering, silent, served, runtime: handle, stop, thread: Some(thread) })
    }

    /// The address of a target that answers.
    pub(crate) fn answering(&self, number: usize) -> SocketAddr {
        self.answering[number % LISTENERS]
    }

    /// The address of one that takes the connection and the request, and says nothing.
    pub(crate) const fn silent(&self) -> SocketAddr {
        self.silent
    }

    /// Answers so far.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::SeqCst)
    }

    /// What their thread has cost so far.
    pub(crate) async fn processor(&self) -> Outcome<Duration> {
        let asked = self.runtime.spawn(async { processor(UsageWho::RUSAGE_THREAD) });
        asked.await?
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        self.stop.cancel();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the targets' thread had panicked");
        }
    }
}

/// Listens, and hands each connection on, for ever.
async fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> std::io::Result<SocketAddr> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener: TcpListener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => serve(stream),
                Err(error) => tracing::error!(%error, "a target cannot take a connection"),
            }
        }
    });
    Ok(address)
}

/// Reads a request without a body, answers it and closes.
async fn answer(mut stream: TcpStream, served: Arc<AtomicU64>) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let length = REPORT.len();
    let text =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{REPORT}");
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    served.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Reads until the other side gives up.
async fn swallow(mut stream: TcpStream) -> std::io::Result<()> {
    let mut nothing = [0; 1024];
    while stream.read(&mut nothing).await? > 0 {}
    Ok(())
}
