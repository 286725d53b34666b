//! Prints the configuration that an instance of a family would get: `cargo run -p gateway --example render -- openclaw https://a.example`.

use gateway::{Family, Settings, pin, render};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let family: Family = arguments.next().ok_or("name a family")?.parse()?;
    let address = arguments.next().ok_or("name the instance's origin")?;
    println!("{}", serde_json::to_string_pretty(&render(&Settings::of_machine(pin(family).release(), address)))?);
    Ok(())
}
