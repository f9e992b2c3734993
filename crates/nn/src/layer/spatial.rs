//! What layers of one, two and three spatial axes share.

/// A size for each of `D` axes: one number stands for all.
///
/// ```
/// use nn::layer::Sizes;
/// assert_eq!((Sizes::<2>::sizes(3), Sizes::<2>::sizes([3, 5])), ([3, 3], [3, 5]));
/// ```
pub trait Sizes<const D: usize> {
    /// The size of each axis.
    fn sizes(self) -> [usize; D];
}

impl<const D: usize> Sizes<D> for usize {
    fn sizes(self) -> [usize; D] {
        [self; D]
    }
}

impl<const D: usize> Sizes<D> for [usize; D] {
    fn sizes(self) -> [usize; D] {
        self
    }
}

/// Sizes for people to read: a single number where all are equal.
pub(super) fn brief(sizes: &[usize]) -> String {
    match sizes {
        [first, rest @ ..] if rest.iter().all(|size| size == first) => first.to_string(),
        sizes => format!("{sizes:?}"),
    }
}

/// `, name sizes` where a setting is not the usual one.
pub(super) fn unusual(name: &str, sizes: &[usize], usual: usize) -> String {
    if sizes.iter().all(|&size| size == usual) { String::new() } else { format!(", {name} {}", brief(sizes)) }
}
