//! The path to the value being visited: built on the stack, converted to text only for a finding.

use super::origin::JsonPath;

/// A value in a document that is being traversed.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(crate) fn member(&'p self, name: &'p str) -> Path<'p> {
        Path::Member(self, name)
    }

    pub(crate) fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }

    fn write(&self, out: &mut String) {
        match self {
            Path::Root => out.push('$'),
            Path::Member(parent, name) => {
                parent.write(out);
                out.push('.');
                out.push_str(name);
            }
            Path::Index(parent, index) => {
                parent.write(out);
                out.push('.');
                out.push_str(&index.to_string());
            }
        }
    }
}

impl From<&Path<'_>> for JsonPath {
    fn from(path: &Path<'_>) -> Self {
        let mut text = String::new();
        path.write(&mut text);
        JsonPath::new(text)
    }
}
