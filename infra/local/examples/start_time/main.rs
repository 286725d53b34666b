//! How long OpenClaw takes to start, alone and through the platform, in turn and on the same machine:
//! `cargo run -p local --example start_time [ROUNDS]`.
//!
//! The gateway is taken from `target/gateways` and fetched to there first, if need be, which takes npm.

mod measure;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use gateway::Family;
use local::{Arguments, Platform};

fn main() -> ExitCode {
    match std::env::args().nth(1).map(|rounds| rounds.parse::<usize>()) {
        // The platform starts this program as the parts that `rockpool-local` also is.
        Some(Err(_)) => local::run(Arguments::parse()),
        Some(Ok(rounds)) => run(rounds.max(1)),
        None => run(3),
    }
}

fn run(rounds: usize) -> ExitCode {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let program = std::env::current_exe().expect("this program has a path");
    // target/PROFILE/examples/start_time
    let gateways = program.ancestors().nth(3).unwrap_or(Path::new(".")).join("gateways");
    let installed = match image::install(Family::Openclaw, &gateways.join(Family::Openclaw.as_str()), &mut image::Bar::new("openclaw")) {
        Ok(installed) => installed,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure(rounds, &installed.program, program, gateways));
    ExitCode::SUCCESS
}

async fn measure(rounds: usize, alone: &[String], program: PathBuf, gateways: PathBuf) {
    let data = tempfile::tempdir().expect("a folder");
    let folder = |path: &Path| path.to_str().expect("a path of text").to_owned();
    let (data_folder, gateways) = (folder(data.path()), folder(&gateways));
    let arguments = Arguments::parse_from(["start_time", "--port", "0", "--data", &data_folder, "--gateways", &gateways]).platform;
    let platform = Platform::start(&arguments, program).await.expect("the platform starts");
    // Brings the program's files into the page cache, for both.
    measure::alone(alone).await;
    println!("seconds       alone   platform   own start in it   it adds   before the start   after the readiness");
    let (mut alones, mut platforms) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let by_itself = measure::alone(alone).await;
        let through = measure::provision(&platform.address, &platform.token, data.path()).await;
        let parts = [by_itself, through.whole, through.own, through.added(), through.before, through.after];
        let [first, second, own, added, before, after] = parts.map(|part| part.as_secs_f64());
        println!("round {round:<3} {first:>9.2} {second:>10.2} {own:>17.2} {added:>9.2} {before:>18.2} {after:>21.2}");
        alones.push(by_itself);
        platforms.push(through.whole);
    }
    let (first, second) = (median(alones).as_secs_f64(), median(platforms).as_secs_f64());
    println!("median    {first:>9.2} {second:>10.2}   the platform takes {:+.2}", second - first);
    platform.stop().await;
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}
