//! How long `cargo run` takes, once built, until its API answers.

use crate::Outcome;
use crate::program::Program;
use crate::table::{Table, signed_ms, spread};

/// What it may take, in milliseconds.
const ALLOWED: f64 = 1000.0;

pub(crate) async fn measure(program: &Program, runs: u32) -> Outcome<()> {
    let (mut empty, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let folder = tempfile::tempdir()?;
        for times in [&mut empty, &mut warm] {
            let (running, took) = program.start(folder.path()).await?;
            times.push(took.as_secs_f64() * 1000.0);
            running.end()?;
        }
    }
    let mut table = Table::new(["from the program's start until its API answers", "runs", "min", "median", "max", "allowed"]);
    for (name, times) in [("in an empty folder", &empty), ("in a folder that it has used", &warm)] {
        let [least, middle, most] = spread(times).map(signed_ms);
        table.row([name.to_owned(), times.len().to_string(), least, middle, most, signed_ms(ALLOWED)]);
    }
    let slowest = empty.iter().chain(&warm).copied().fold(0.0, f64::max);
    table.print("Start-up: from exec to the first 200 of GET /v1/health, with the stand-in gateway:");
    if slowest > ALLOWED { Err("the API answers later than it may".into()) } else { Ok(()) }
}
