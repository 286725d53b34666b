use domain::OrganisationId;
use jiff::Timestamp;
use uuid::Uuid;

use crate::claims::Claims;

/// Below it lie the organisations that are derived from a person (UUID version 5, RFC 9562, section 5.5). Changing it would take every
/// customer's instances away from them.
const PERSONAL_ORGANISATIONS: Uuid = Uuid::from_u128(0x8d8f_6a5e_3c0b_4f62_9a61_54c7_1e0d_92b3);

/// Whoever bears a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The person, as the issuer knows them: stable, never reassigned, and meaningful together with `issuer` only.
    pub subject: String,
    /// Who vouches for them.
    pub issuer: String,
    /// What to call them: at most 100 characters, none of them a control character. For showing only, never for a decision.
    pub display_name: String,
    /// Their personal organisation.
    pub organisation: OrganisationId,
    /// When the token ends.
    pub expires_at: Timestamp,
}

impl Caller {
    pub(crate) fn of(issuer: &str, claims: Claims) -> Self {
        let names = [&claims.name, &claims.preferred_username, &claims.email, &Some(claims.sub.clone())];
        let display_name = names.into_iter().flatten().map(|name| showable(name)).find(|name| !name.is_empty()).unwrap_or_default();
        Self {
            organisation: Self::personal_organisation(issuer, &claims.sub),
            issuer: issuer.to_owned(),
            display_name,
            expires_at: claims.expires_at(),
            subject: claims.sub,
        }
    }

    /// The one organisation that a person has without asking for it. It is computed, so that the first request needs no registration, and
    /// the same for ever.
    #[must_use]
    pub fn personal_organisation(issuer: &str, subject: &str) -> OrganisationId {
        // A NUL cannot occur in either part, so no two pairs are written alike.
        OrganisationId::from_uuid(Uuid::new_v5(&PERSONAL_ORGANISATIONS, format!("{issuer}\0{subject}").as_bytes()))
    }
}

fn showable(name: &str) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_personal_organisation_never_changes() {
        let organisation = Caller::personal_organisation("https://login.example.com/", "alice");
        assert_eq!(organisation.to_string(), "org_a1cab1f058385e94bcb6877f129d6bd6");
    }

    #[test]
    fn moving_a_letter_from_issuer_to_subject_gives_another_organisation() {
        assert_ne!(Caller::personal_organisation("https://a/x", "y"), Caller::personal_organisation("https://a/", "xy"));
    }
}
