//! Lets seeded worlds live on all cores, prints what they came to, and ends with 1 if anything was wrong in one of them.

use std::collections::BTreeMap;
use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use clap::Parser;
use mimalloc::MiMalloc;
use simulation::{Failure, Report, Scale, live, replay_line};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
    /// Seconds after which it has taken too long, which is a failure too.
    #[arg(long)]
    within: Option<f64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (first, worlds) = arguments.seed.map_or((arguments.from, arguments.worlds), |seed| (seed, 1));
    let at_once = arguments.at_once.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let began = Instant::now();
    let (report, failures) = live_all(first, worlds, arguments.scale, at_once);
    println!("{report}");
    let took = began.elapsed().as_secs_f64();
    println!("{took:.1} s on {at_once} cores");
    let is_late = arguments.within.is_some_and(|within| took > within);
    if is_late {
        println!("it took too long");
    }
    if failures > 0 {
        println!("{failures} of {worlds} worlds went wrong");
    }
    if failures > 0 || is_late { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What worlds said when they panicked, by the names of their threads.
type LastWords = Arc<Mutex<BTreeMap<String, String>>>;

/// Notes every panic in a world. Where a panic ends the whole program, as in the profile `functions`, this is also the last chance to say
/// how that world is played again.
fn listen_for_panics(scale: Scale) -> LastWords {
    let heard = LastWords::default();
    let (words, usual) = (heard.clone(), panic::take_hook());
    panic::set_hook(Box::new(move |panic| {
        usual(panic);
        let thread = thread::current();
        let Some((name, seed)) = thread.name().and_then(|name| Some((name, name.strip_prefix(WORLD)?.parse().ok()?))) else { return };
        if cfg!(panic = "abort") {
            println!("{}", replay_line(seed, scale));
        }
        words.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_insert_with(|| panic.to_string());
    }));
    heard
}

/// What the names of the threads of worlds begin with, before their seeds.
const WORLD: &str = "world ";

/// One world. A panic in it, be it in a task that nobody waits for, is a failure like any other.
fn live_on_a_thread<'scope>(threads: &'scope thread::Scope<'scope, '_>, seed: u64, scale: Scale, heard: &LastWords) -> Lived {
    let name = format!("{WORLD}{seed}");
    let world = thread::Builder::new().name(name.clone());
    let world = world.spawn_scoped(threads, move || live(seed, scale)).expect("a thread can be started");
    let lived = world.join();
    let panicked = heard.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
    match (lived, panicked) {
        (Ok(lived), None) => lived,
        (lived, panicked) => {
            let report = match lived {
                Ok(Ok(report)) => report,
                Ok(Err(failure)) => failure.report,
                Err(_) => Report::default(),
            };
            Err(Box::new(Failure { seed, scale, wrong: vec![panicked.unwrap_or_else(|| "it panicked".to_owned())], report }))
        }
    }
}

type Lived = Result<Report, Box<Failure>>;

/// Lets all of them live, each on a thread of its own, and prints what went wrong as soon as it is known.
fn live_all(first: u64, worlds: u64, scale: Scale, at_once: usize) -> (Report, u64) {
    let (next, heard) = (AtomicU64::new(first), listen_for_panics(scale));
    let (mut total, mut failures) = (Report::default(), 0);
    thread::scope(|threads| {
        let (tell, told) = mpsc::channel::<Lived>();
        for _ in 0..at_once {
            let (tell, next, heard) = (tell.clone(), &next, &heard);
            threads.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + worlds {
                        return;
                    }
                    if tell.send(live_on_a_thread(threads, seed, scale, heard)).is_err() {
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
