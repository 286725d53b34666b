//! The simulator as a program: the Machines API on a loopback port.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use fly_sim::processes::{self, Processes, Program};
use fly_sim::proxy::{Proxy, SimulatorRoutes};
use fly_sim::{Faults, Options, Simulator};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A simulated Fly Machines API on 127.0.0.1.
///
/// Machines are virtual: records that start and stop at once. With `--image` they are processes of this computer instead.
#[derive(Parser)]
#[command(name = "fly-sim")]
struct Arguments {
    /// Port of the API; 0 takes a free one.
    #[arg(long, default_value_t = 4280)]
    port: u16,
    /// Folder that keeps the state, and the machines' files if they are processes; without it the state ends with the program.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Token that callers must show; without it everybody is let in.
    #[arg(long, env = "FLY_SIM_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Slug of the organisation.
    #[arg(long, default_value = "personal")]
    organisation: String,
    /// Apply Fly's rate limits.
    #[arg(long)]
    rate_limits: bool,
    /// What goes wrong by chance: `calm`, `bad-day` or `regional-outage`, with a number after a colon to see the same again.
    #[arg(long, value_name = "PROFILE[:SEED]")]
    faults: Option<Faults>,
    /// A program that stands for an image, as REFERENCE=PROGRAM; may be repeated.
    #[arg(long = "image", value_name = "REFERENCE=PROGRAM", value_parser = image, requires = "data")]
    images: Vec<(String, PathBuf)>,
    /// Port of the proxy that leads `APP.localhost` to the app's machine, if machines are processes; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    proxy_port: u16,
}

fn image(text: &str) -> Result<(String, PathBuf), String> {
    text.split_once('=')
        .map(|(reference, program)| (reference.to_owned(), program.into()))
        .ok_or_else(|| "must be REFERENCE=PROGRAM".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let chain: Vec<String> = std::iter::successors(Some(error.as_ref()), |error| error.source()).map(ToString::to_string).collect();
            eprintln!("fly-sim: {}", chain.join(": "));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { port, data, token, organisation, rate_limits, faults, images, proxy_port } = arguments;
    let host = data.as_ref().filter(|_| !images.is_empty()).map(|data| programs(data.clone(), images)).transpose()?;
    let options = match &host {
        Some(processes) => Options::new(Arc::new(processes.clone())),
        None => Options { clock: fly_sim::Clock::System, ..Options::virtual_machines() },
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    if let Some(faults) = &faults {
        println!("Faults: {faults}");
    }
    let simulator = Simulator::open(Options { data, token, organisation, rate_limits, faults, ..options }).await?;
    println!("API: http://{}", listener.local_addr()?);
    let ending = CancellationToken::new();
    let proxy = match host {
        Some(processes) => Some(start_proxy(proxy_port, simulator.clone(), processes, ending.clone()).await?),
        None => None,
    };
    tokio::select! {
        served = axum::serve(listener, simulator.router()) => served?,
        // Calls that wait for a machine would hold a graceful end up for a minute.
        () = told_to_end() => {}
    }
    ending.cancel();
    simulator.shutdown().await;
    if let Some(proxy) = proxy {
        proxy.await?;
    }
    Ok(())
}

fn programs(root: PathBuf, images: Vec<(String, PathBuf)>) -> std::io::Result<Processes> {
    let programs: BTreeMap<String, PathBuf> = images.into_iter().collect();
    let find = move |image: &str| {
        let program = named(&programs, image)?;
        Some(Program { argv: vec![program.clone().into_os_string()], env: Vec::new() })
    };
    Processes::open(processes::Options { root, images: Arc::new(find) })
}

/// The program of an image. flyctl adds the digest that it was told to the reference; a program has none, so its name and tag are enough.
fn named<'p>(programs: &'p BTreeMap<String, PathBuf>, image: &str) -> Option<&'p PathBuf> {
    programs.get(image).or_else(|| programs.get(image.split_once('@')?.0))
}

async fn start_proxy(
    port: u16,
    simulator: Simulator,
    processes: Processes,
    ending: CancellationToken,
) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    println!("Proxy: http://APP.localhost:{}", listener.local_addr()?.port());
    Ok(tokio::spawn(Proxy::serve(listener, Arc::new(SimulatorRoutes::new(simulator, processes)), ending)))
}

async fn told_to_end() {
    let mut terminate = signal(SignalKind::terminate()).expect("a signal handler can be installed before anything else runs");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_with_and_without_its_digest() {
        let programs: BTreeMap<_, _> =
            ["r/i:1=/one", "r/i@sha256:02=/two"].into_iter().map(|text| image(text).expect("it is whole")).collect();
        for (reference, program) in [
            ("r/i:1", Some("/one")),
            ("r/i:1@sha256:01", Some("/one")),
            ("r/i@sha256:02", Some("/two")),
            ("r/i@sha256:01", None),
            ("r/i:2@sha256:01", None),
            ("@", None),
            ("", None),
        ] {
            assert_eq!(named(&programs, reference), program.map(PathBuf::from).as_ref(), "{reference}");
        }
    }
}
