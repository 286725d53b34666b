use std::io::{self, Read as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::front::{Front, Listener, answer, metrics, serve};
use crate::keeper::{Children, Configs, Keeper};
use crate::status::Board;
use crate::tail::Tail;
use crate::{Settings, SupervisorError, logs};

/// Signals of ended children merge, so now and then one looks without.
const REAP_EVERY: Duration = Duration::from_secs(5);
/// What connections get to end after the gateway has: their last answers are short.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Runs the supervisor with the settings of the process's environment, until it is asked to end.
///
/// The process is its own: it becomes a child subreaper and reaps every child. Ends with 0 after SIGTERM, SIGINT or the end of the
/// lifeline, when the gateway has drained; with 2 where a setting is missing or an address taken.
#[must_use]
pub fn main_from_env() -> ExitCode {
    logs::start();
    let ran = Settings::from_variables(|name| std::env::var(name).ok()).and_then(|settings| {
        // One thread: nothing here computes, and each further one costs memory that the gateway needs.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SupervisorError::Process)?;
        let ran = runtime.block_on(run(settings));
        // What still waits on a blocking thread (a schema that is being checked) is not waited for.
        runtime.shutdown_background();
        ran
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the supervisor cannot run");
            ExitCode::from(2)
        }
    }
}

/// Runs the supervisor until the process is asked to end.
///
/// # Errors
/// [`SupervisorError`] when it cannot listen or cannot be told to end. Once it listens, nothing ends it but the request to.
pub async fn run(settings: Settings) -> Result<(), SupervisorError> {
    let listener = Listener::bind(settings.listen).await?;
    let stop = CancellationToken::new();
    watch_signals(&stop)?;
    if settings.lifeline {
        watch_lifeline(&stop)?;
    }
    prepare_process();

    let settings = Arc::new(settings);
    let board = Arc::new(Board::new(Timestamp::now()));
    let children = Arc::new(Children::default());
    let configs = Arc::new(Configs::new(&settings));
    let tail = Arc::new(Tail::default());
    let (b, c, f, t) = (board.clone(), children.clone(), configs.clone(), tail.clone());
    let front = Arc::new(Front::new(settings.clone(), b, c, f, t, stop.clone()));
    let address = listener.address().unwrap_or(settings.listen);
    tracing::info!(%address, instance = settings.instance, release = %settings.release, "the supervisor listens");

    let connections = TaskTracker::new();
    serve_metrics(&settings, &front, &connections, &stop).await;
    let at_front = front.clone();
    let serving = serve(listener, connections.clone(), stop.clone(), move |peer, request| answer(at_front.clone(), peer, request));
    tokio::spawn(serving);
    let reaping = reap(children.clone()).map_err(SupervisorError::Process)?;
    tokio::spawn(reaping);

    Keeper { settings, board, children, configs, tail, stop: stop.clone() }.run().await;
    // It returns only when it was told to stop.
    stop.cancel();
    connections.close();
    if tokio::time::timeout(LAST_ANSWERS, connections.wait()).await.is_err() {
        tracing::info!(open = connections.len(), "connections were cut off");
    }
    tracing::info!("the supervisor ends");
    Ok(())
}

/// The metrics' own listener. A machine without metrics is worse than one with them and better than none, so a taken port is only said.
async fn serve_metrics(settings: &Settings, front: &Arc<Front>, connections: &TaskTracker, stop: &CancellationToken) {
    match Listener::bind(settings.metrics_listen).await {
        Ok(listener) => {
            tracing::info!(metrics = %listener.address().unwrap_or(settings.metrics_listen), "the metrics are served");
            let front = front.clone();
            let serving = serve(listener, connections.clone(), stop.clone(), move |_, request| {
                let response = metrics(&front, &request);
                async move { response }
            });
            tokio::spawn(serving);
        }
        Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "there will be no metrics"),
    }
}

/// A request to end: SIGTERM, or SIGINT from a terminal. Later ones change nothing; the drain has its own limits.
fn watch_signals(stop: &CancellationToken) -> Result<(), SupervisorError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(SupervisorError::Process)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SupervisorError::Process)?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end");
        stop.cancel();
    });
    Ok(())
}

/// Reads the standard input to its end, which comes when the host that holds the other end is gone. On a thread of its own: a pipe that
/// the parent gave is not ours to make non-blocking, and the runtime would wait for a blocked read before it ends.
fn watch_lifeline(stop: &CancellationToken) -> Result<(), SupervisorError> {
    let stop = stop.clone();
    let watch = move || {
        let mut ignored = [0; 256];
        loop {
            match io::stdin().read(&mut ignored) {
                Ok(read) if read > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        tracing::info!("the host is gone");
        stop.cancel();
    };
    let thread = std::thread::Builder::new().name("lifeline".to_owned()).stack_size(64 * 1024);
    thread.spawn(watch).map(drop).map_err(SupervisorError::Process)
}

/// Makes this process the one to which the kernel hands orphans, and lets it open as many files as it may: a WebSocket takes two.
fn prepare_process() {
    if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        tracing::warn!(error = &error as &dyn std::error::Error, "orphans of the gateway will not be reaped here");
    }
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(error = &error as &dyn std::error::Error, "the limit of open files stays as it is");
    }
}

fn reap(children: Arc<Children>) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut ended = signal(SignalKind::child())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = ended.recv() => {}
                () = tokio::time::sleep(REAP_EVERY) => {}
            }
            children.reap();
        }
    })
}
