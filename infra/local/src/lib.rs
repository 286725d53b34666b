//! The whole of Rockpool in one process on one machine: the same functions and workers as on AWS, on an AWS inside the process, with a
//! simulated Fly.io whose machines are processes. Nothing outside this crate knows that it runs here.

mod arguments;
mod cloud;
mod disk;
mod error;
mod event_source;
mod folder;
mod gateways;
mod issuer;
mod outbox;
mod page;
mod platform;
mod provider;
mod schedule;

use std::path::PathBuf;
use std::process::ExitCode;

pub use arguments::{Arguments, GatewayChoice, Part, PlatformArguments};
pub use error::StartError;
pub use event_source::{EventSource, Function};
pub use folder::FolderError;
pub use issuer::{AUDIENCE, Issuer};
pub use platform::Platform;

/// The parts of the platform, for whoever puts them together in another way.
pub mod parts {
    pub use crate::cloud::{ACCESS_KEY, CONTROL_KEY, CURSOR_KEY, Cloud, FLY_TOKEN, TABLE};
    pub use crate::folder::Folder;
    pub use crate::gateways::Gateways;
    pub use crate::issuer::PATH as ISSUER_PATH;
    pub use crate::outbox::{Outbox, PATH as OUTBOX_PATH};
    pub use crate::provider::{ORGANISATION, Provider};
}

/// Runs the program, or the part of it that the arguments name.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    match arguments.part {
        Some(Part::Supervisor) => supervisor::main_from_env(),
        Some(Part::StandIn(arguments)) => stand_in::run(arguments),
        Some(Part::Gateway { folder, family, arguments }) => gateways::become_gateway(&folder, family, &arguments),
        None => serve(&arguments.platform),
    }
}

fn serve(arguments: &PlatformArguments) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ROCKPOOL_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failed(&error),
    };
    runtime.block_on(serve_until_signal(arguments, program))
}

async fn serve_until_signal(arguments: &PlatformArguments, program: PathBuf) -> ExitCode {
    let platform = match Platform::start(arguments, program).await {
        Ok(platform) => platform,
        Err(error) => return failed(&error),
    };
    // Before anybody is told that it runs: whoever ends it at these words must not meet the default action.
    let asked = asked_to_end();
    let gateway = match platform.gateway {
        GatewayChoice::Real => "real, from npm",
        GatewayChoice::StandIn => "the built-in stand-in",
    };
    println!("Rockpool runs on this machine.\n");
    println!("  API      {}", platform.address);
    println!("  Gateway  {gateway}");
    if let Some(faults) = &arguments.faults {
        println!("  Faults   {faults} (`--faults {faults}` brings the same again)");
    }
    println!("  Token    {}", platform.token);
    let until = platform.token_until.strftime("%Y-%m-%d %H:%M UTC");
    println!("           (good until {until}; also in {}/token)\n", arguments.data.display());
    println!("Ctrl-C ends it; instances that are wanted running come back with the next start.");
    // Only now, so that its progress does not run through the lines above.
    platform.fetch();
    asked.await;
    println!("Ending: gateways drain.");
    platform.stop().await;
    ExitCode::SUCCESS
}

/// Ctrl-C, or the SIGTERM of whoever runs this as a service: caught from now on, and seen by whoever awaits it.
fn asked_to_end() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let [mut interrupt, mut terminate] = [SignalKind::interrupt(), SignalKind::terminate()]
        .map(|kind| signal(kind).expect("the handlers of these signals can always be set"));
    async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// One clear line, and the causes below it.
fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("rockpool-local: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}
