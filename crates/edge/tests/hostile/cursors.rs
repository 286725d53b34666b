use domain::OrganisationId;
use edge::Cursors;
use proptest::prelude::*;

/// A position as a store might name one, the separators of the seal among it.
fn position() -> impl Strategy<Value = String> {
    "\\PC{0,40}|ins_[0-9a-f]{8}|[\u{0}a-z_]{0,20}"
}

proptest! {
    #[test]
    fn a_cursor_opens_for_its_list_organisation_and_secret_alone(
        position in position(), other in position(), lists in prop::sample::select(vec![("a", "ab"), ("operations of ins_1", "operations of ins_12"), ("", "a")]),
    ) {
        let (cursors, strange) = (Cursors::new(&[7; 32]), Cursors::new(&[8; 32]));
        let (mine, theirs) = (OrganisationId::generate(), OrganisationId::generate());
        let cursor = cursors.seal(lists.0, mine, &position);
        prop_assert_eq!(cursors.open(lists.0, mine, &cursor).ok(), Some(position.clone()));
        prop_assert!(cursors.open(lists.1, mine, &cursor).is_err());
        prop_assert!(cursors.open(lists.0, theirs, &cursor).is_err());
        prop_assert!(strange.open(lists.0, mine, &cursor).is_err());
        if other != position {
            prop_assert_ne!(cursors.seal(lists.0, mine, &other), cursor, "two positions have one cursor");
        }
    }

    #[test]
    fn a_cursor_that_was_changed_anywhere_opens_nothing_and_is_not_quoted(
        place in any::<prop::sample::Index>(), more in "[A-Za-z0-9_=.%\\-\u{e4}]{0,3}", less in 0_usize..4,
    ) {
        let (cursors, organisation) = (Cursors::new(&[7; 32]), OrganisationId::generate());
        let cursor = cursors.seal("instances", organisation, "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f");
        let place = place.index(cursor.len());
        let changed = format!("{}{more}{}", &cursor[..place], &cursor[(place + less).min(cursor.len())..]);
        if changed == cursor {
            return Ok(());
        }
        let problem = cursors.open("instances", organisation, &changed).expect_err("a changed cursor was opened");
        let said = format!("{} {problem:?}", serde_json::to_string(&problem.document(None)).unwrap());
        prop_assert!(changed.len() < 8 || !said.contains(&changed), "{}", said);
    }
}

#[test]
fn a_cursor_of_ten_megabytes_is_refused_unread() {
    let began = std::time::Instant::now();
    assert!(Cursors::new(&[7; 32]).open("instances", OrganisationId::generate(), &"A".repeat(10 << 20)).is_err());
    assert!(began.elapsed() < std::time::Duration::from_millis(500));
}
