use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::OrganisationId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::problem::Problem;

/// Cursors longer than this are refused unread.
const LONGEST: usize = 2048;
const TAG: usize = 32;

/// Gives out and takes back the cursors of paged lists.
///
/// A cursor holds a position that the store handed out, and an HMAC-SHA256 (RFC 2104) over it, the list and the organisation. So a store
/// never sees a position that somebody made up, nor one of another organisation or list. The position itself can be read by its holder:
/// nothing secret belongs in it.
#[derive(Clone)]
pub struct Cursors(Hmac<Sha256>);

impl Cursors {
    /// Cursors authenticated with this secret, the same in every process that serves the API. It should have 32 random bytes or more.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
    }

    /// The cursor for the page of `list` that follows `position`. A list is named by a constant of the code, for example `instances`.
    #[must_use]
    pub fn seal(&self, list: &str, organisation: OrganisationId, position: &str) -> String {
        let tag = self.over(list, organisation, position).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([tag.as_slice(), position.as_bytes()].concat())
    }

    /// The position in a cursor that was given out for this list to this organisation.
    ///
    /// # Errors
    /// `invalid-cursor` for any other text.
    pub fn open(&self, list: &str, organisation: OrganisationId, cursor: &str) -> Result<String, Problem> {
        let bytes = Some(cursor).filter(|text| text.len() <= LONGEST).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let (tag, position) = bytes.as_deref().and_then(|bytes| bytes.split_at_checked(TAG)).ok_or_else(Problem::invalid_cursor)?;
        let position = std::str::from_utf8(position).map_err(|_| Problem::invalid_cursor())?;
        // In constant time, or the tag could be found byte by byte.
        self.over(list, organisation, position).verify_slice(tag).map_err(|_| Problem::invalid_cursor())?;
        Ok(position.to_owned())
    }

    /// Neither a list's name nor an organisation's id contains the separator, so no two inputs are written alike.
    fn over(&self, list: &str, organisation: OrganisationId, position: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(format!("rockpool cursor 1\0{list}\0{organisation}\0{position}").as_bytes());
        mac
    }
}

impl fmt::Debug for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursors(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursors() -> Cursors {
        Cursors::new(&[7; 32])
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(position in "\\PC{0,200}") {
            let organisation = OrganisationId::generate();
            let cursor = cursors().seal("instances", organisation, &position);
            prop_assert_eq!(cursors().open("instances", organisation, &cursor).ok(), Some(position));
        }

        #[test]
        fn made_up_cursors_are_refused(text in "[A-Za-z0-9_=-]{0,80}|\\PC{0,80}") {
            prop_assert!(cursors().open("instances", OrganisationId::generate(), &text).is_err());
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_list_organisation_and_key_only() {
        let (mine, theirs) = (OrganisationId::generate(), OrganisationId::generate());
        let cursor = cursors().seal("instances", mine, "ins_1");
        assert!(cursors().open("instances", mine, &cursor).is_ok());
        assert!(cursors().open("instances", theirs, &cursor).is_err());
        assert!(cursors().open("operations", mine, &cursor).is_err());
        assert!(Cursors::new(&[8; 32]).open("instances", mine, &cursor).is_err());
    }

    #[test]
    fn a_change_of_any_one_character_is_noticed() {
        let organisation = OrganisationId::generate();
        let cursor = cursors().seal("instances", organisation, "ins_0190c5a0");
        for place in 0..cursor.len() {
            let mut text = cursor.clone().into_bytes();
            text[place] = if text[place] == b'A' { b'B' } else { b'A' };
            assert!(cursors().open("instances", organisation, std::str::from_utf8(&text).unwrap()).is_err(), "place {place}");
        }
        for shorter in 0..cursor.len() {
            assert!(cursors().open("instances", organisation, &cursor[..shorter]).is_err(), "length {shorter}");
        }
    }
}
