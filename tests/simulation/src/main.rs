//! Lets seeded worlds live on all cores, prints what they came to, and ends with 1 if anything was wrong in one of them.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use clap::Parser;
use simulation::{Failure, Report, Scale, live};

/// Whole worlds of Rockpool on virtual time, drawn from seeds and judged.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many worlds.
    #[arg(long, default_value_t = 200)]
    worlds: u64,
    /// The seed of the first; the others follow it.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// One world alone.
    #[arg(long, conflicts_with_all = ["worlds", "from"])]
    seed: Option<u64>,
    #[command(flatten)]
    scale: Scale,
    /// Worlds that live at the same time; as many as there are cores unless said otherwise.
    #[arg(long)]
    at_once: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (first, worlds) = arguments.seed.map_or((arguments.from, arguments.worlds), |seed| (seed, 1));
    let at_once = arguments.at_once.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let began = Instant::now();
    let (report, failures) = live_all(first, worlds, arguments.scale, at_once);
    println!("{report}");
    println!("{:.1} s on {at_once} cores", began.elapsed().as_secs_f64());
    if failures == 0 {
        return ExitCode::SUCCESS;
    }
    println!("{failures} of {worlds} worlds went wrong");
    ExitCode::FAILURE
}

/// Lets all of them live, each on a thread of its own, and prints what went wrong as soon as it is known.
fn live_all(first: u64, worlds: u64, scale: Scale, at_once: usize) -> (Report, u64) {
    let next = AtomicU64::new(first);
    let (mut total, mut failures) = (Report::default(), 0);
    std::thread::scope(|threads| {
        let (tell, told) = mpsc::channel::<Result<Report, Box<Failure>>>();
        for _ in 0..at_once {
            let (tell, next) = (tell.clone(), &next);
            threads.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + worlds {
                        return;
                    }
                    // A panic names its thread, and so the seed.
                    let world = std::thread::Builder::new().name(format!("world {seed}"));
                    let world = world.spawn_scoped(threads, move || live(seed, scale)).expect("a thread can be started");
                    if tell.send(world.join().expect("a world does not panic")).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        for lived in told {
            match lived {
                Ok(report) => total.add(&report),
                Err(failure) => {
                    failures += 1;
                    total.add(&failure.report);
                    println!("{failure}");
                }
            }
        }
    });
    (total, failures)
}
