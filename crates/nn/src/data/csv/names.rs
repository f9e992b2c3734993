//! [`Names`]: texts and their numbers, of classes and of categories.

use crate::data::TableError;
use std::collections::HashMap;

/// The maximum number of names in a column. It bounds the memory that a file of distinct names can take.
const MOST: usize = 1 << 18;

/// Names, numbered from 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Names {
    list: Vec<String>,
    numbers: HashMap<Box<str>, u32>,
    /// Whether other names may be added.
    open: bool,
}

impl Names {
    /// No names yet: they are numbered as they appear.
    pub fn open() -> Self {
        Names { open: true, ..Names::default() }
    }

    /// These names only. Each must occur once.
    pub fn closed(list: &[String], what: &'static str) -> Result<Self, TableError> {
        let numbers: HashMap<Box<str>, u32> = list.iter().map(|name| name.as_str().into()).zip(0..).collect();
        if let Some((name, _)) = list.iter().zip(0..).find(|(name, i)| numbers[name.as_str()] != *i) {
            return Err(TableError::Twice { what, name: name.clone(), hint: ": list each name once" });
        }
        Ok(Names { list: list.to_vec(), numbers, open: false })
    }

    /// Adds no more names.
    pub fn close(&mut self) {
        self.open = false;
    }

    pub fn list(&self) -> &[String] {
        &self.list
    }

    /// The number of a name, which is added if new names are allowed. `None` if it is unknown.
    pub fn learn(&mut self, field: &[u8]) -> Result<Option<usize>, TableError> {
        let name = utf8(field)?;
        if self.open && !self.numbers.contains_key(name) {
            if self.list.len() == MOST {
                return Err(TableError::TooManyNames { most: MOST });
            }
            self.numbers.insert(name.into(), self.list.len() as u32);
            self.list.push(name.to_owned());
        }
        Ok(self.numbers.get(name).map(|number| *number as usize))
    }

    /// The number of a name. `None` if it is unknown.
    pub fn number(&self, field: &[u8]) -> Option<usize> {
        self.numbers.get(str::from_utf8(field).ok()?).map(|number| *number as usize)
    }
}

/// A field as text. Invalid UTF-8 is an error, since replacing it could make two names equal.
pub(super) fn utf8(field: &[u8]) -> Result<&str, TableError> {
    str::from_utf8(field).map_err(|_| TableError::NotUtf8 { field: excerpt(field) })
}

/// A field shortened for an error message: a broken file may have fields of a gigabyte.
pub(super) fn excerpt(field: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(&field[..field.len().min(SHOWN)]);
    if field.len() > SHOWN { format!("{text}…") } else { text.into_owned() }
}

/// A suggestion for a name that does not exist: the closest one, if it is close.
pub(super) fn nearest<'n>(name: &str, names: &'n [String]) -> Option<&'n String> {
    let near = |other: &String| edits(&name.to_lowercase(), &other.to_lowercase());
    let best = names.iter().filter(|other| !other.is_empty() && other.len() < 100).min_by_key(|other| near(other))?;
    (near(best) <= 1 + name.chars().count() / 3).then_some(best)
}

/// The minimum number of characters to insert, remove or replace (Levenshtein, 1966).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        let names = ["Species", "Body Mass (g)", "sex", ""].map(String::from);
        assert_eq!(nearest("species", &names), Some(&names[0]));
        assert_eq!(nearest("body mas (g)", &names), Some(&names[1]));
        assert_eq!(nearest("year", &names), None);
        assert_eq!((edits("kitten", "sitting"), edits("", "ab"), edits("ab", "")), (3, 2, 2));
    }
}
