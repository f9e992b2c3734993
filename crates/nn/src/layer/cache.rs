//! [`KeyValues`]: the cached keys and values of earlier positions.

use autograd::{Error, Float, Result, Tensor};

/// The keys and values of one attention layer at all positions so far. A new position attends to them without
/// recomputing them: see [`attend_after`](super::MultiheadAttention::attend_after).
///
/// Its capacity doubles each time it is full, so a position is written once and moved once on average.
///
/// ```
/// use autograd::Tensor;
/// use nn::layer::KeyValues;
/// let before = KeyValues::<f32>::new();
/// assert!(before.is_empty() && before.len() == 0);
/// ```
#[derive(Debug, Clone)]
pub struct KeyValues<T: Float> {
    /// `[batch, heads, room, part]`, of which the first `len` positions are filled.
    rows: Option<[Tensor<T>; 2]>,
    len: usize,
}

impl<T: Float> Default for KeyValues<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> KeyValues<T> {
    /// No positions.
    pub fn new() -> Self {
        KeyValues { rows: None, len: 0 }
    }

    /// The number of positions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all positions but the first `len`. If none are left, the next positions may have any batch size.
    ///
    /// ```
    /// let mut before = nn::layer::KeyValues::<f32>::new();
    /// before.truncate(3); // there are not as many
    /// assert_eq!(before.len(), 0);
    /// ```
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        if self.len == 0 {
            self.rows = None;
        }
    }

    /// Keeps only the sequences of the batch at these indices, in this order, such as those with which a search
    /// continues.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{KeyValues, MultiheadAttention}};
    /// let (layer, tape) = (MultiheadAttention::<f64>::new(4, 2, &mut Rng::new(0)).batch_first(), Tape::new());
    /// let mut before = KeyValues::new();
    /// let x = |batch| tape.constant(Tensor::ones(&[batch, 1, 4]));
    /// layer.attend_after(x(2), &mut before, &mut Pass::eval(&tape));
    /// before.select(&[1, 0, 1]);
    /// assert_eq!(layer.attend_after(x(3), &mut before, &mut Pass::eval(&tape)).shape().as_slice(), [3, 1, 4]);
    /// ```
    /// # Panics
    /// Panics if an index is out of range; without positions, every index is.
    #[track_caller]
    pub fn select(&mut self, sequences: &[usize]) {
        assert!(!self.is_empty(), "KeyValues::select: there are no sequences yet: the first positions begin them");
        let index: Tensor<i64> = sequences.iter().map(|&at| at as i64).collect();
        for rows in self.rows.iter_mut().flatten() {
            *rows = rows.take(0, &index);
        }
    }

    /// The keys and values of all positions, unless there are none.
    pub(super) fn all(&self) -> Option<[Tensor<T>; 2]> {
        Some(self.rows.as_ref()?.each_ref().map(|rows| rows.slice_axis(2, 0..self.len)))
    }

    /// Appends keys and values `[batch, heads, positions, part]`, and returns those of all positions.
    pub(super) fn joined(&mut self, new: [Tensor<T>; 2]) -> Result<[Tensor<T>; 2]> {
        let len = self.len + new[0].shape()[2];
        let rows = self.rows.get_or_insert_with(|| new.each_ref().map(|new| with_room(new, 0)));
        for (rows, new) in rows.iter_mut().zip(&new) {
            let fits = rows.shape()[..2] == new.shape()[..2] && rows.shape()[3] == new.shape()[3];
            if !fits {
                let hint = format!("the positions before have the shape {:?}", rows.shape());
                return Err(Error::Shape { op: "attend_after", shape: new.shape().into(), hint });
            }
            append(rows, self.len, new);
        }
        self.len = len;
        Ok(self.all().expect("they were just appended"))
    }
}

/// Memory for as many rows as there are in each matrix of `like`.
fn with_room<T: Float>(like: &Tensor<T>, room: usize) -> Tensor<T> {
    let &[batch, heads, _, part] = like.shape() else { unreachable!("a matrix for each head") };
    Tensor::zeros(&[batch, heads, room, part])
}

/// Writes `new` after the first `len` rows of each matrix of `rows`, whose capacity grows if they are full.
fn append<T: Float>(rows: &mut Tensor<T>, len: usize, new: &Tensor<T>) {
    let &[_, _, mut room, part] = rows.shape() else { unreachable!("a matrix for each head") };
    let (filled, added) = (len * part, new.shape()[2] * part);
    if len + new.shape()[2] > room {
        let old = std::mem::replace(rows, Tensor::scalar(T::zero()));
        room = (len + new.shape()[2]).max(2 * room).max(16);
        *rows = with_room(&old, room);
        let from = old.iter().collect::<Vec<T>>();
        let matrices = rows.make_mut().chunks_mut(room * part).zip(from.chunks((old.shape()[2] * part).max(1)));
        matrices.for_each(|(to, from)| to[..filled].copy_from_slice(&from[..filled]));
    }
    let new = new.contiguous();
    let from = new.as_slice().expect("it is contiguous");
    for (to, from) in rows.make_mut().chunks_mut(room * part).zip(from.chunks(added.max(1))) {
        to[filled..filled + added].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_appended_to_each_matrix_and_kept_when_room_is_made() {
        let all = Tensor::<f64>::from_fn(&[2, 3, 45, 2], |at| (at[0] * 1000 + at[1] * 300 + at[2] * 2 + at[3]) as f64);
        let mut cache = KeyValues::new();
        let mut from = 0;
        for count in [1, 14, 1, 1, 20, 8] {
            let new = all.slice_axis(2, from..from + count);
            from += count;
            let [keys, values] = cache.joined([new.clone(), -new]).unwrap();
            assert_eq!((&keys, cache.len()), (&all.slice_axis(2, 0..from), from));
            assert_eq!(values, -keys);
        }
        let kept = cache.clone();
        cache.select(&[1]);
        let one = Tensor::zeros(&[1, 3, 1, 2]);
        assert_eq!(cache.joined([one.clone(), one]).unwrap()[0].slice_axis(2, 0..45), all.slice_axis(0, 1..2));
        assert_eq!(kept.len(), 45, "a clone is unchanged");
        let odd = Tensor::zeros(&[3, 3, 1, 2]);
        let error = cache.joined([odd.clone(), odd]).unwrap_err().to_string();
        assert!(error.contains("[3, 3, 1, 2]") && error.contains("[1, 3, "), "{error}");
        cache.truncate(0);
        let odd = Tensor::ones(&[3, 3, 1, 2]);
        assert_eq!(cache.joined([odd.clone(), odd.clone()]).unwrap(), [odd.clone(), odd], "another batch begins");
    }
}
