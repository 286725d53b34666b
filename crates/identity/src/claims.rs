//! What a token claims (RFC 7519, section 4; OpenID Connect Core 1.0, section 2), and whether that is acceptable.

use jiff::Timestamp;
use serde::Deserialize;

use crate::settings::Settings;
use crate::token::{self, Token};
use crate::verifier::Refusal;

#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    pub(crate) sub: String,
    exp: NumericDate,
    nbf: Option<NumericDate>,
    aud: Option<Audience>,
    azp: Option<String>,
    client_id: Option<String>,
    token_use: Option<String>,
    #[serde(default, deserialize_with = "text_or_nothing")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "text_or_nothing")]
    pub(crate) preferred_username: Option<String>,
    #[serde(default, deserialize_with = "text_or_nothing")]
    pub(crate) email: Option<String>,
}

impl Claims {
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        token::object(payload).ok_or(Refusal::Claims)
    }

    /// When the token ends, without leeway.
    pub(crate) fn expires_at(&self) -> Timestamp {
        Timestamp::from_second(self.exp.0).unwrap_or(Timestamp::MAX)
    }

    /// Every check that does not need the key. Each is made whether or not the claim is present: absence is no pass.
    pub(crate) fn check(&self, token: &Token<'_>, settings: &Settings, now: Timestamp) -> Result<(), Refusal> {
        let now = now.as_second();
        let leeway = i64::try_from(settings.leeway.as_secs()).unwrap_or(60);
        if self.iss != settings.issuer {
            return Err(Refusal::Issuer);
        }
        if now >= self.exp.0.saturating_add(leeway) {
            return Err(Refusal::Expired);
        }
        if self.nbf.as_ref().is_some_and(|nbf| now.saturating_add(leeway) < nbf.0) {
            return Err(Refusal::NotYetValid);
        }
        // OpenID Connect Core, section 2: at most 255 characters. Control characters would let one subject imitate another in a log.
        if self.sub.is_empty() || self.sub.chars().count() > 255 || self.sub.chars().any(char::is_control) {
            return Err(Refusal::Subject);
        }
        if settings.audience.as_ref().is_some_and(|expected| !self.aud.as_ref().is_some_and(|aud| aud.holds(expected))) {
            return Err(Refusal::Audience);
        }
        if !settings.allowed_parties.is_empty() && !self.is_for_one_of(&settings.allowed_parties) {
            return Err(Refusal::Party);
        }
        let use_fits = settings.token_use.is_none() || self.token_use == settings.token_use;
        let typ_fits = settings.typ.as_ref().is_none_or(|expected| token.is_of_type(expected));
        if use_fits && typ_fits { Ok(()) } else { Err(Refusal::Type) }
    }

    /// At least one party is named, and every one that is named is allowed.
    fn is_for_one_of(&self, allowed: &[String]) -> bool {
        let mut named = [&self.azp, &self.client_id].into_iter().flatten().peekable();
        named.peek().is_some() && named.all(|party| allowed.contains(party))
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn holds(&self, expected: &str) -> bool {
        match self {
            Self::One(audience) => audience == expected,
            Self::Many(audiences) => audiences.iter().any(|audience| audience == expected),
        }
    }
}

/// Seconds since 1970, whole or not (RFC 7519, section 2).
#[derive(Debug, Deserialize)]
#[serde(try_from = "f64")]
struct NumericDate(i64);

impl TryFrom<f64> for NumericDate {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        // Up to the year 9999: beyond it lie milliseconds by mistake and attempts at an overflow.
        if !(0.0..=253_402_300_799.0).contains(&seconds) {
            return Err("not a time between 1970 and 9999");
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was just checked; the fraction of a second is dropped on purpose")]
        Ok(Self(seconds as i64))
    }
}

/// A claim that is only shown may have any type: what is no text counts as absent.
fn text_or_nothing<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().map(str::to_owned))
}
