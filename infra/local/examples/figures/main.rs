//! Prints Rockpool's figures: how long things take, what they call and consume, how much memory they need. `docs/performance.md` explains
//! each and says what it must not exceed.
//!
//! ```console
//! cargo build                                       # the program that some of the figures start
//! cargo run -p local --example figures              # those of one instance and the cost of a month, in under two minutes
//! cargo run -p local --example figures -- makespan  # one; those of a fleet take minutes and are measured only where they are named
//! cargo run -p local --example figures -- --help    # what there is
//! ```
//!
//! Everything is measured on this machine, over loopback, and nothing outside a temporary folder is touched.

mod cost;
mod journal;
mod latency;
mod makespan;
mod memory;
mod program;
mod scale;
mod start_up;
mod table;
mod timeline;
mod units;
mod vertical;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// What any of it may fail with: it is told, and the program ends.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Prints Rockpool's figures.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which; all of them if none is named.
    #[arg(value_enum)]
    figures: Vec<Figure>,
    /// How often each is measured.
    #[arg(long, default_value_t = 7)]
    runs: u32,
    /// How many instances are checked, created at once, or in the largest store; ten thousand, and a hundred thousand in the store.
    #[arg(long)]
    instances: Option<usize>,
    /// Where the queue of a burst is drawn.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// The platform's program; the one beside this one's folder unless named.
    #[arg(long)]
    program: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// From the start of the platform until its API answers.
    StartUp,
    /// From the request for an instance until it is in service, over a provider whose latencies are known.
    Makespan,
    /// How long the API takes to accept an instance.
    Latency,
    /// What each operation calls and consumes.
    Units,
    /// Memory of the platform and of a supervisor.
    Memory,
    /// What a month of the control plane costs on AWS.
    Cost,
    /// What the engine adds to a step, and to the sixtieth of a run. Only if it is named, like those below.
    Steps,
    /// A minute's checks of a fleet.
    Checks,
    /// Many creates at once.
    Burst,
    /// What operations call and consume in small and large fleets.
    Growth,
    /// Memory of the platform with none, ten and a hundred instances.
    Crowd,
    /// Memory of a supervisor as it is shipped; `cargo build --release -p supervisor` makes it.
    Supervisor,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ROCKPOOL_LOG").unwrap_or_else(|_| "warn,health_checker=error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(measure(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

async fn measure(arguments: &Arguments) -> Outcome<()> {
    let wanted = |figure| arguments.figures.is_empty() || arguments.figures.contains(&figure);
    println!("{}", circumstances());
    if wanted(Figure::StartUp) {
        start_up::measure(&program::Program::find(arguments.program.clone())?, arguments.runs).await?;
    }
    if wanted(Figure::Makespan) {
        makespan::measure(arguments.runs).await?;
    }
    if wanted(Figure::Latency) {
        latency::measure().await?;
    }
    if wanted(Figure::Units) {
        units::measure().await?;
    }
    if wanted(Figure::Cost) {
        cost::measure().await?;
    }
    let named = |figure| arguments.figures.contains(&figure);
    if named(Figure::Steps) {
        scale::steps::measure().await?;
    }
    if named(Figure::Checks) {
        scale::checks::measure(arguments.instances.unwrap_or(10_000)).await?;
    }
    if named(Figure::Growth) {
        scale::growth::measure(arguments.instances.unwrap_or(100_000)).await?;
    }
    if named(Figure::Burst) {
        scale::burst::measure(arguments.instances.unwrap_or(10_000), arguments.svg.as_deref()).await?;
    }
    if named(Figure::Crowd) {
        scale::crowd::measure(&program::Program::find(arguments.program.clone())?).await?;
    }
    if named(Figure::Supervisor) {
        let gateway = program::Program::find(arguments.program.clone())?;
        scale::supervisor::measure(&scale::supervisor::shipped()?, &gateway).await?;
    }
    if wanted(Figure::Memory) {
        memory::measure(&program::Program::find(arguments.program.clone())?).await?;
    }
    Ok(())
}

/// What a reader has to know to compare: the kind of machine, the build, and whether something else kept it busy.
fn circumstances() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!("{cores} virtual CPUs ({}), {build} build, load average {load} before the first figure", std::env::consts::ARCH)
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("figures: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}
