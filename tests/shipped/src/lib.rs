//! The functions as they ship: the built programs, as `infra/template.yaml` deploys them, on simulated AWS and Fly.io.
//!
//! [`Binaries`] builds them, away from every other build, so that no feature of the local platform gets into them. [`Template`] says what
//! each is deployed with. [`Platform`] starts them in the Lambda emulator with queues, clock, provider and machines around them.

mod binaries;
mod platform;
mod template;

pub use binaries::{Binaries, BuildError, FUNCTIONS, HELLO};
pub use platform::{Options, Platform, access_key};
pub use template::{Deployed, Grant, Source, Template, TemplateError};
