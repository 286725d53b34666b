use std::error::Error;
use std::fmt;

/// An error with all its causes, on the one line that reports it, each in its own words.
///
/// Never in their `Debug` forms, as the AWS SDK's own helper writes them: they hold the whole answer where it could not be read, and
/// with it the secret that was asked for.
pub(crate) struct Chain<'e>(pub(crate) &'e dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
