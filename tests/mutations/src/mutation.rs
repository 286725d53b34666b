use std::fmt;

/// One way to break the engine, a flow or the store, and the test that must not let it pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mutation {
    /// In a few words, for the table.
    pub(crate) name: &'static str,
    /// What would go wrong in production.
    pub(crate) breaks: &'static str,
    pub(crate) edits: &'static [Edit],
    pub(crate) caught_by: Test,
}

/// An exact textual change of one file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edit {
    /// From the root of the workspace.
    pub(crate) file: &'static str,
    /// Stands in the file exactly once.
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

/// One test of one target of one package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Test {
    pub(crate) package: &'static str,
    pub(crate) target: Target,
    /// With its modules, as the test harness names it.
    pub(crate) name: &'static str,
}

/// What a test is compiled into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A file or folder of the package's `tests`.
    Tests(&'static str),
    /// The library with its own tests.
    Lib,
}

/// An edit does not fit the tree: the list has to follow the code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the text to change in {file} is found {found} times instead of once: {before:?}")]
pub(crate) struct Misfit {
    file: &'static str,
    found: usize,
    before: &'static str,
}

impl Edit {
    /// The file's text with this change.
    pub(crate) fn apply(&self, text: &str) -> Result<String, Misfit> {
        match text.matches(self.before).count() {
            1 => Ok(text.replacen(self.before, self.after, 1)),
            found => Err(Misfit { file: self.file, found, before: self.before }),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            Target::Tests(target) => write!(f, "{} {target} {}", self.package, self.name),
            Target::Lib => write!(f, "{} {}", self.package, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDIT: Edit = Edit { file: "a.rs", before: "one", after: "two" };

    #[test]
    fn an_edit_changes_one_place_and_refuses_none_or_several() {
        assert_eq!(EDIT.apply("it is one."), Ok("it is two.".to_owned()));
        assert_eq!(EDIT.apply("it is three."), Err(Misfit { file: "a.rs", found: 0, before: "one" }));
        assert_eq!(EDIT.apply("one by one"), Err(Misfit { file: "a.rs", found: 2, before: "one" }));
    }
}
