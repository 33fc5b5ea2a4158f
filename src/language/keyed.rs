//! An ordered list with lookup by name.

use std::collections::HashMap;

/// A list whose elements have unique names.
#[derive(Debug)]
pub(crate) struct KeyedList<T> {
    values: Vec<(String, T)>,
    indices: HashMap<String, usize>,
}

impl<T> Default for KeyedList<T> {
    fn default() -> Self {
        KeyedList {
            values: Vec::new(),
            indices: HashMap::new(),
        }
    }
}

impl<T> KeyedList<T> {
    /// True if there is a value called `name`.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.indices.contains_key(name)
    }

    /// The value called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        let index = self.indices.get(name)?;
        self.values.get(*index).map(|(_, value)| value)
    }

    /// Mutable [`KeyedList::get`].
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let index = self.indices.get(name)?;
        self.values.get_mut(*index).map(|(_, value)| value)
    }

    /// Appends a value, or replaces the one called `name`, which is returned.
    pub(crate) fn insert(&mut self, name: &str, value: T) -> Option<T> {
        if let Some(earlier) = self.get_mut(name) {
            return Some(std::mem::replace(earlier, value));
        }
        self.indices.insert(name.to_owned(), self.values.len());
        self.values.push((name.to_owned(), value));
        None
    }

    /// The value called `name`, inserted if there is none.
    pub(crate) fn or_insert_with(&mut self, name: &str, value: impl FnOnce() -> T) -> &mut T {
        let end = self.values.len();
        let index = *self.indices.entry(name.to_owned()).or_insert(end);
        if index == end {
            self.values.push((name.to_owned(), value()));
        }
        &mut self.values[index].1
    }

    /// Removes a value, in time linear in the length of the list.
    pub(crate) fn remove(&mut self, name: &str) -> Option<T> {
        let index = self.indices.remove(name)?;
        for other in self.indices.values_mut().filter(|other| **other > index) {
            *other -= 1;
        }
        Some(self.values.remove(index).1)
    }

    /// All values in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter().map(|(_, value)| value)
    }

    /// All values in their order.
    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.values.into_iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_order() {
        let mut keyed = KeyedList::default();
        assert_eq!(keyed.insert("a", 1), None);
        assert_eq!(keyed.insert("b", 2), None);
        assert_eq!(keyed.insert("a", 3), Some(1));
        *keyed.or_insert_with("c", || 0) += 4;
        *keyed.or_insert_with("b", || 0) += 5;
        assert_eq!(keyed.remove("a"), Some(3));
        assert_eq!((keyed.get("b"), keyed.get("a")), (Some(&7), None));
        assert_eq!(keyed.into_values().collect::<Vec<_>>(), [7, 4]);
    }
}
