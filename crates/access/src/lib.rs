//! The tokens that open an instance: who issues them, what they say, and what makes one valid.
//!
//! There are three kinds, all JSON Web Signatures with Ed25519 (RFC 7515, RFC 8037), told apart by their `typ` (RFC 8725, 3.11):
//!
//! | kind | `typ` | lives at most | opens |
//! | --- | --- | --- | --- |
//! | [`Kind::Access`] | `rp-access+jwt` | 1 h | the gateway behind one instance's supervisor |
//! | [`Kind::Link`] | `rp-link+jwt` | 60 s, once | a browser session at that supervisor |
//! | [`Kind::Control`] | `rp-control+jwt` | 60 s, once | one request with one body at the supervisor's control endpoints |
//!
//! Access and link tokens share a key; control tokens have their own, so that what opens a gateway can never restart it.
//!
//! ```
//! use access::{Audience, KeySet, Signer, SigningKey, Verifier};
//! use jiff::{SignedDuration, Timestamp};
//!
//! let key = SigningKey::generate().expect("the operating system has random numbers");
//! let verifier = Verifier::new(KeySet::of([key.public()]), "ins_1");
//! let now = Timestamp::now();
//!
//! let to = Audience { instance: "ins_1", subject: "user-1", name: "Ada" };
//! let token = Signer::new(key).access(&to, SignedDuration::from_mins(15), now)?;
//! assert_eq!(verifier.access(token.as_str(), now)?.name, "Ada");
//! # Ok::<(), access::AccessError>(())
//! ```
//!
//! Invariants: this crate knows nothing about AWS or HTTP, holds no clock (the time is always a parameter) and prints no key and no token.

mod claims;
mod error;
mod key;
mod keyset;
mod seen;
mod sign;
mod verify;

pub use claims::{Kind, LEEWAY, Order, Visit};
pub use error::AccessError;
pub use key::{PublicKey, SigningKey};
pub use keyset::KeySet;
pub use seen::Seen;
pub use sign::{Audience, Request, Signer, Token};
pub use verify::{Unread, Verifier, looks_like_token};

/// The `iss` of every token. The keys tell deployments apart; this tells our tokens from those of other software that signs with Ed25519.
pub const ISSUER: &str = "rockpool";
