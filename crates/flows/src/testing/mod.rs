//! A world to try flows in: a provider with a memory and an opinion.
//!
//! Behind the cargo feature `testing`. [`FakeWorld`] implements every port of this crate. It keeps what it is told to make, as the
//! real provider does: volumes may share a name, machines may not, a machine takes time to boot and to drain, a gateway answers a while
//! after its machine. [`Conditions`] say what it is like there (full regions, lists that lag, a gateway that does not come up), and
//! whatever a flow must never do is a complaint. On a [`durable::testing::Stage`] each call is a point at which something can go wrong;
//! without one every call does what it says.

mod conditions;
mod machine;
mod machines;
mod provider;
pub mod repertoire;
pub mod sample;
mod services;
mod volumes;
mod world;

pub use conditions::{Conditions, Sickness};
pub use machine::FakeMachine;
pub use provider::{FakeApp, FakeVolume, Provider};
pub use world::{FakeWorld, Hook};
