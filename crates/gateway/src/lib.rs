//! What Rockpool knows of the gateways it hosts: their releases, what each needs, how it is configured, started, probed and ended.
//!
//! Pure: this crate renders, classifies and names. It starts no process, opens no socket and reads no file; what it holds of files was
//! compiled in. It knows nothing about Fly.io or AWS.
//!
//! ```
//! use domain::Family;
//! use gateway::{Settings, pin, render, validate};
//!
//! let release = pin(Family::Openclaw).release();
//! let config = render(&Settings::of_machine(release.clone(), "https://rp-prod-0190.fly.dev"));
//! assert_eq!(validate(&release, &config), Ok(()));
//! ```

mod config;
pub mod environment;
mod exit;
mod launch;
mod pins;
mod probe;
mod schema;

pub use config::{REQUIRED_HEADERS, Settings, USER_HEADER, render};
pub use domain::{Family, Release};
pub use exit::{ExitMeaning, classify_exit};
pub use launch::{DOCTOR_TIMEOUT, Launch, drain_timeout, heap_mb, start_timeout, stop_timeout};
pub use pins::{Pin, ReleaseRefused, find, pin, pins};
pub use probe::{Probe, connect_request, health_request, probe};
pub use schema::{Violation, validate};
