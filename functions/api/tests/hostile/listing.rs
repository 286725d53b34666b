//! Cursors that were changed, moved or made up, against lists with something in them.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::APP;

/// Somebody with three instances, and the cursor after the first.
struct Owner {
    token: String,
    instances: Vec<String>,
    cursor: String,
}

fn owner() -> Owner {
    let token = APP.somebody();
    let create = |name: &str| {
        let body = format!(r#"{{"name":"{name}","plan":"team","region":"fra"}}"#);
        let answer = APP.call(&token, "POST", "/v1/instances", &body).unwrap();
        answer.json()["instance"]["id"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    };
    let instances = ["a", "b", "c"].map(create).to_vec();
    let page = APP.call(&token, "GET", "/v1/instances?limit=1", "").unwrap().json();
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    Owner { token, instances, cursor }
}

static ONE: LazyLock<Owner> = LazyLock::new(owner);
static OTHER: LazyLock<Owner> = LazyLock::new(owner);

#[test]
fn a_cursor_is_good_for_its_owner_and_list_alone() {
    let page = |owner: &Owner, target: String| APP.call(&owner.token, "GET", &target, "").unwrap();
    let rest = page(&ONE, format!("/v1/instances?cursor={}", ONE.cursor));
    assert_eq!(rest.json()["instances"].as_array().unwrap().len(), 2, "{}", rest.text());
    assert_eq!(page(&OTHER, format!("/v1/instances?cursor={}", ONE.cursor)).check().status, 400);
    assert_eq!(page(&ONE, format!("/v1/instances/{}/operations?cursor={}", ONE.instances[0], ONE.cursor)).check().status, 400);
}

proptest! {
    #[test]
    fn no_cursor_shows_anything_of_anybody_else(
        place in any::<prop::sample::Index>(), more in "[A-Za-z0-9_-]{0,3}", less in 0_usize..3, limit in prop::option::of(0_u32..102),
    ) {
        let place = place.index(ONE.cursor.len());
        let changed = format!("{}{more}{}", &ONE.cursor[..place], &ONE.cursor[(place + less).min(ONE.cursor.len())..]);
        let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
        for owner in [&ONE, &OTHER] {
            let answer = APP.call(&owner.token, "GET", &format!("/v1/instances?cursor={changed}{limit}"), "").unwrap();
            let own = changed == ONE.cursor && owner.token == ONE.token;
            prop_assert!(own || !answer.check().status.is_success(), "{} was taken", changed);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn a_foreign_instance_cannot_be_told_from_none(id in "[0-9a-f]{32}", verb in prop::sample::select(vec!["", "/start", "/stop", "/restart", "/access"])) {
        let method = if verb.is_empty() { "GET" } else { "POST" };
        let said = |id: &str| {
            let mut problem = APP.call(&OTHER.token, method, &format!("/v1/instances/{id}{verb}"), "").unwrap().json();
            problem["request_id"] = "".into();
            problem
        };
        prop_assert_eq!(said(&ONE.instances[0]), said(&format!("ins_{id}")));
    }
}
