//! Values in their order, found by a name.

use std::collections::HashMap;

/// A list whose elements have names, each once.
#[derive(Debug)]
pub(crate) struct KeyedList<T> {
    values: Vec<(String, T)>,
    places: HashMap<String, usize>,
}

impl<T> Default for KeyedList<T> {
    fn default() -> Self {
        KeyedList {
            values: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> KeyedList<T> {
    /// True if there is a value called `name`.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The value called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        let place = self.places.get(name)?;
        self.values.get(*place).map(|(_, value)| value)
    }

    /// [`KeyedList::get`], to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let place = self.places.get(name)?;
        self.values.get_mut(*place).map(|(_, value)| value)
    }

    /// Puts a value at the end, or in the place of the one that is called so; that one is given back.
    pub(crate) fn insert(&mut self, name: &str, value: T) -> Option<T> {
        if let Some(earlier) = self.get_mut(name) {
            return Some(std::mem::replace(earlier, value));
        }
        self.places.insert(name.to_owned(), self.values.len());
        self.values.push((name.to_owned(), value));
        None
    }

    /// The value called `name`, made if it is not there.
    pub(crate) fn or_insert_with(&mut self, name: &str, value: impl FnOnce() -> T) -> &mut T {
        let end = self.values.len();
        let place = *self.places.entry(name.to_owned()).or_insert(end);
        if place == end {
            self.values.push((name.to_owned(), value()));
        }
        &mut self.values[place].1
    }

    /// Takes a value out. As slow as the list is long, if there is one.
    pub(crate) fn remove(&mut self, name: &str) -> Option<T> {
        let place = self.places.remove(name)?;
        for other in self.places.values_mut().filter(|other| **other > place) {
            *other -= 1;
        }
        Some(self.values.remove(place).1)
    }

    /// All values in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter().map(|(_, value)| value)
    }

    /// All values in their order, on their own.
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
