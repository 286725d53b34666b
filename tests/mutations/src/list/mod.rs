//! The mutations, each beside the test that must catch it.

mod engine;
mod flows;
mod store;

use crate::mutation::Mutation;

/// Those that are compiled into the same program stand together, so that the least is linked anew.
pub(crate) fn all() -> Vec<Mutation> {
    [engine::MUTATIONS, flows::MUTATIONS, store::MUTATIONS].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::mutation::{Target, Test};

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_edit_fits_the_tree_as_it_is() {
        let read = |file: &str| fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        for mutation in all() {
            for edit in mutation.edits {
                let changed = edit.apply(&read(edit.file)).unwrap_or_else(|misfit| panic!("{}: {misfit}", mutation.name));
                assert_ne!(changed, read(edit.file), "{} changes nothing", mutation.name);
            }
        }
    }

    #[test]
    fn every_named_test_is_there() {
        for Mutation { name, caught_by, .. } in all() {
            let texts = sources(&caught_by);
            let function = format!("fn {}(", caught_by.name.rsplit("::").next().expect("a name has a last part"));
            assert!(texts.iter().any(|text| text.contains(&function)), "{name}: there is no {caught_by}");
        }
    }

    #[test]
    fn there_are_enough_and_each_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = all().iter().map(|mutation| mutation.name).collect();
        assert_eq!(names.len(), all().len());
        assert!(names.len() >= 20);
    }

    /// The texts of everything from which a test's program is made.
    fn sources(test: &Test) -> Vec<String> {
        let package = root().join("crates").join(test.package);
        let mut folders = match test.target {
            Target::Lib => vec![package.join("src")],
            Target::Tests(target) => {
                let file = package.join("tests").join(target).with_extension("rs");
                if let Ok(text) = fs::read_to_string(file) {
                    return vec![text];
                }
                vec![package.join("tests").join(target)]
            }
        };
        let mut texts = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
                let path = entry.expect("a file").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    texts.push(fs::read_to_string(path).expect("sources are UTF-8"));
                }
            }
        }
        texts
    }
}
