//! Who is calling: verification of OpenID Connect bearer tokens.
//!
//! A [`Verifier`] is made once from [`Settings`] and asked with every request. It gives a [`Caller`] or says which of two things went
//! wrong: the token is bad, which the caller can mend, or the issuer's keys cannot be had, which only waiting mends.
//!
//! ```no_run
//! # async fn example(client: reqwest::Client, bearer: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use identity::{KeyLocation, Settings, Verifier};
//!
//! let settings = Settings {
//!     audience: Some("https://api.example.com".to_owned()),
//!     keys: KeyLocation::Url("https://login.example.com/keys".to_owned()),
//!     ..Settings::of_issuer("https://login.example.com/")
//! };
//! let verifier = Verifier::over_http(settings, client)?;
//! let caller = verifier.verify(bearer).await?;
//! println!("{} owns {}", caller.display_name, caller.organisation);
//! # Ok(()) }
//! ```
//!
//! Standards: JSON Web Token (RFC 7519) and its best current practices (RFC 8725), JSON Web Key (RFC 7517), OpenID Connect Core and
//! Discovery 1.0.
//!
//! Invariants: only asymmetric algorithms exist here, and each key works with exactly one of them. A claim is never read before the
//! signature over it was verified. This crate knows nothing about HTTP servers, routes or permissions.

mod cache;
mod caller;
mod claims;
mod http;
mod keys;
mod settings;
mod token;
mod verifier;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use cache::{FetchError, KeySource};
pub use caller::Caller;
pub use http::HttpKeys;
pub use settings::{KeyLocation, Settings, SettingsError};
pub use verifier::{Clock, Refusal, Verifier, VerifyError};
