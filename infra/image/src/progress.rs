use std::fmt;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// What an installation is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Another installation into the same folder is at work.
    Waiting,
    /// Fetching Node.js and npm.
    Toolchain,
    /// Fetching the gateway and what it depends on.
    Gateway,
    /// Starting it once, so that its caches are warm.
    Warming,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting for another installation",
            Self::Toolchain => "fetching Node.js and npm",
            Self::Gateway => "fetching the gateway",
            Self::Warming => "warming its caches",
        })
    }
}

/// Hears how an installation is getting on.
pub trait Progress {
    /// A phase begins.
    fn phase(&mut self, phase: Phase);
    /// Packages unpacked, of how many. Approximate: for a person to watch.
    fn advance(&mut self, _done: u64, _total: u64) {}
    /// Something did not go well that is not worth failing for.
    fn warning(&mut self, _text: &str) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&mut self, _: Phase) {}
}

/// A bar on the terminal; where standard error is none, a line for each phase.
#[derive(Debug)]
pub struct Bar {
    what: String,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// A bar for a thing named `what`, for example `openclaw 2026.9.6`.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length().with_style(style(OF_UNKNOWN_LENGTH));
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { what: what.into(), bar }
    }
}

const OF_UNKNOWN_LENGTH: &str = "{spinner} {prefix}: {msg} {elapsed}";
const OF_KNOWN_LENGTH: &str = "{spinner} {prefix}: {msg} {wide_bar} {pos}/{len} {elapsed}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates name known keys only")
}

impl Progress for Bar {
    fn phase(&mut self, phase: Phase) {
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(self.what.clone());
                bar.set_message(phase.to_string());
                bar.unset_length();
                bar.set_position(0);
                bar.set_style(style(OF_UNKNOWN_LENGTH));
            }
            None => eprintln!("{}: {phase}", self.what),
        }
    }

    fn advance(&mut self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            if bar.length() != Some(total) {
                bar.set_length(total);
                bar.set_style(style(OF_KNOWN_LENGTH));
            }
            bar.set_position(done.min(total));
        }
    }

    fn warning(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("{}: {text}", self.what)),
            None => eprintln!("{}: {text}", self.what),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
