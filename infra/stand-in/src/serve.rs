use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway::{Family, environment};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::arguments::{Arguments, Command};
use crate::configuration::{self, Refusal};
use crate::doctor;
use crate::http;
use crate::memory::Memory;
use crate::proxy::Forwarding;
use crate::steering::Steering;

/// How long open connections may take to end after they were told to.
const FAREWELL: Duration = Duration::from_secs(2);

/// A gateway that serves.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) family: Family,
    /// Every connection ends.
    pub(crate) closing: CancellationToken,
    forwarding: Forwarding,
    memory: Mutex<Memory>,
    ready: AtomicBool,
    draining: AtomicBool,
    started: Instant,
}

impl Gateway {
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn forwarding(&self) -> Forwarding {
        self.forwarding.clone()
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a stand-in to its end on a runtime of its own, with this process's environment: the whole `main` of a program.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(serve(arguments))),
        Err(error) => {
            eprintln!("Gateway failed to start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or SIGINT, or lets the doctor come, and returns the exit code: 0 after a drain or an examination, that of the family
/// over a refused configuration, else 1.
pub async fn serve(arguments: Arguments) -> u8 {
    let Arguments { family, command } = arguments;
    let done = match command {
        Command::Gateway { port, bind } => start(family, port, bind).await,
        Command::Doctor { fix, .. } => doctor::examine(family, fix).await,
    };
    match done {
        Ok(()) => 0,
        Err(Refusal { said, code }) => {
            eprintln!("{said}");
            code
        }
    }
}

async fn start(family: Family, port: Option<u16>, bind: Option<String>) -> Result<(), Refusal> {
    let variable = |name: &str| std::env::var(name).ok();
    let places = configuration::places(family, variable);
    say("info", "loading configuration…");
    let config = configuration::load(family, &places.config, variable)?;
    loopback_only(family, bind.as_deref(), &config)?;
    let failed = |said: String| Refusal { said: format!("Gateway failed to start: {said}"), code: 1 };
    let steering = Steering::read(&places.state, variable).map_err(failed)?;
    // From here on a request to end is heard, however long the start takes.
    let mut ends = Ends::new().map_err(|error| failed(error.to_string()))?;
    let memory = Memory::open(&places.state).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => failed("gateway already running; lock timeout".to_owned()),
        _ => failed(error.to_string()),
    })?;
    let crash = crash_after(steering.crash_after_ms);
    tokio::pin!(crash);
    tokio::select! {
        biased;
        refusal = &mut crash => return Err(refusal),
        () = ends.asked(&steering) => return Ok(()),
        () = sleep(steering.start_delay()) => {}
    }
    let configured = config["gateway"]["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    let port = port.or(configured).unwrap_or(environment::GATEWAY_PORT_DEFAULT);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| failed(format!("another gateway instance is already listening on ws://127.0.0.1:{port} ({error})")))?;
    let gateway = Arc::new(Gateway {
        family,
        closing: CancellationToken::new(),
        forwarding: Forwarding::of(family, &config),
        memory: Mutex::new(memory),
        ready: AtomicBool::new(!steering.never_ready),
        draining: AtomicBool::new(false),
        started: Instant::now(),
    });
    let closing = gateway.closing.clone();
    let server = axum::serve(listener, http::router(gateway.clone())).with_graceful_shutdown(async move { closing.cancelled().await });
    let server = tokio::spawn(server.into_future());
    say("info", &format!("listening on ws://127.0.0.1:{port} (PID {})", std::process::id()));
    if !steering.never_ready {
        say("info", "gateway ready");
    }
    tokio::select! {
        refusal = &mut crash => return Err(refusal),
        () = ends.asked(&steering) => {}
    }
    say("info", "received SIGTERM; draining");
    gateway.draining.store(true, Ordering::Release);
    sleep(steering.drain()).await;
    gateway.closing.cancel();
    if timeout(FAREWELL, server).await.is_err() {
        say("warn", "a connection did not end in time");
    }
    say("info", "shutdown completed cleanly");
    Ok(())
}

/// Without authentication of its own neither family serves beyond this host.
fn loopback_only(family: Family, argument: Option<&str>, config: &Value) -> Result<(), Refusal> {
    let bind = argument.or_else(|| config["gateway"]["bind"].as_str()).unwrap_or("loopback");
    if bind == "loopback" {
        return Ok(());
    }
    let code = if family == Family::Openclaw { 78 } else { 1 };
    Err(Refusal { said: format!("Refusing to bind gateway to {bind} without auth."), code })
}

async fn crash_after(milliseconds: Option<u64>) -> Refusal {
    match milliseconds {
        Some(milliseconds) => sleep(Duration::from_millis(milliseconds)).await,
        None => std::future::pending().await,
    }
    Refusal { said: "Unhandled promise rejection: TypeError: fetch failed".to_owned(), code: 1 }
}

/// The signals that ask for the end.
struct Ends {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Ends {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns when an end is asked for that is to be heeded.
    async fn asked(&mut self, steering: &Steering) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            if !steering.ignore_sigterm {
                return;
            }
            say("warn", "told to end, and told not to heed it");
        }
    }
}

/// A line of the console's log, as the programs write it with `consoleStyle: json`.
fn say(level: &str, message: &str) {
    let time = jiff::Timestamp::now().to_string();
    println!("{}", json!({ "time": time, "level": level, "subsystem": "gateway", "message": message }));
}
