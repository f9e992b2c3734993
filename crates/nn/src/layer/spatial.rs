//! Helpers that layers with one, two and three spatial axes share.

/// A size for each of `D` axes; a single number applies to all of them.
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

/// Formats sizes for display: a single number if all are equal.
pub(super) fn brief(sizes: &[usize]) -> String {
    match sizes {
        [first, rest @ ..] if rest.iter().all(|size| size == first) => first.to_string(),
        sizes => format!("{sizes:?}"),
    }
}

/// `, name sizes` if a setting differs from its default, otherwise empty.
pub(super) fn unusual(name: &str, sizes: &[usize], usual: usize) -> String {
    if sizes.iter().all(|&size| size == usual) { String::new() } else { format!(", {name} {}", brief(sizes)) }
}
