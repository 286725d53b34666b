//! Feeds one file to one target: `cargo run -p fuzz --example one -- TARGET FILE`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let [target, file] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "usage: one TARGET FILE")?;
    let (_, feed) = fuzz::TARGETS.into_iter().find(|(name, _)| *name == target).ok_or_else(|| format!("there is no target {target}"))?;
    let verb = if feed(&std::fs::read(file)?) { "takes" } else { "refuses" };
    println!("{target} {verb} it, as it may.");
    Ok(())
}
