//! Transforms of an image `[channels, height, width]`: normalization, random crops, flips, affine maps and cutout.

use super::DataError;
use crate::domain::{finite, non_negative, positive, unit};
use autograd::{Error, Float, Rng, Tensor};

/// A transform of one input, possibly random.
///
/// Functions and closures implement it, too:
///
/// ```
/// use autograd::{Rng, Tensor, tensor};
/// use nn::data::{DataError, Transform};
/// let noise = |x: Tensor<f64>, rng: &mut Rng| Ok(&x + &(Tensor::randn(x.shape(), rng) * 0.1));
/// let changed = noise.apply(tensor![[[1.0, 2.0]]], &mut Rng::new(0))?;
/// assert_eq!(changed.shape(), [1, 1, 2]);
/// # Ok::<(), DataError>(())
/// ```
pub trait Transform<T: Float>: Send + Sync {
    /// Returns the transformed input. All randomness comes from `rng`.
    ///
    /// # Errors
    /// If the transform does not support the shape of the input, or one of its settings is invalid.
    fn apply(&self, x: Tensor<T>, rng: &mut Rng) -> Result<Tensor<T>, DataError>;
}

impl<T: Float, F: Fn(Tensor<T>, &mut Rng) -> Result<Tensor<T>, DataError> + Send + Sync> Transform<T> for F {
    fn apply(&self, x: Tensor<T>, rng: &mut Rng) -> Result<Tensor<T>, DataError> {
        self(x, rng)
    }
}

/// `(x - mean) / std`, channel by channel.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::data::{Normalize, Transform};
/// let normalize = Normalize { mean: vec![1.0], std: vec![2.0] };
/// assert_eq!(normalize.apply(tensor![[[1.0, 5.0]]], &mut Rng::new(0))?, tensor![[[0.0, 2.0]]]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Normalize {
    /// Mean of each channel.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, positive.
    pub std: Vec<f64>,
}

impl<T: Float> Transform<T> for Normalize {
    fn apply(&self, x: Tensor<T>, _: &mut Rng) -> Result<Tensor<T>, DataError> {
        let [channels, ..] = image("Normalize", &x)?;
        let column =
            |numbers: &[f64]| Tensor::try_new(&[numbers.len(), 1, 1], numbers.iter().map(|c| T::of(*c)).collect());
        self.mean.iter().try_for_each(|x| finite("Normalize", "mean", *x))?;
        // A small number may be 0 in `T`.
        self.std.iter().try_for_each(|x| positive("Normalize", "std", T::of(*x).f64()))?;
        if [self.mean.len(), self.std.len()] != [channels; 2] {
            let hint = format!("there are {} means and {} standard deviations", self.mean.len(), self.std.len());
            return Err(Error::Shape { op: "Normalize", shape: x.shape().into(), hint }.into());
        }
        Ok((x - column(&self.mean)?) / column(&self.std)?)
    }
}

/// Crops the image at a random position, after zero padding.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::data::{RandomCrop, Transform};
/// let whole = tensor![[[1.0, 2.0, 3.0]]];
/// let piece = RandomCrop { size: [1, 2], padding: 0 }.apply(whole, &mut Rng::new(0))?;
/// assert!(piece == tensor![[[1.0, 2.0]]] || piece == tensor![[[2.0, 3.0]]]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomCrop {
    /// Height and width of the crop.
    pub size: [usize; 2],
    /// Number of zeros added on each side.
    pub padding: usize,
}

impl<T: Float> Transform<T> for RandomCrop {
    fn apply(&self, x: Tensor<T>, rng: &mut Rng) -> Result<Tensor<T>, DataError> {
        let [channels, height, width] = image("RandomCrop", &x)?;
        // Positions are signed.
        let padded =
            |have: usize| have.checked_add(self.padding.checked_mul(2)?).filter(|n| isize::try_from(*n).is_ok());
        let room = [height, width].into_iter().zip(self.size).map(|(have, want)| padded(have)?.checked_sub(want));
        let Some(room) = room.collect::<Option<Vec<usize>>>() else {
            let hint = format!(
                "with {} zeros on each side, it is smaller than the crop {:?}, or too large",
                self.padding, self.size
            );
            return Err(Error::Shape { op: "RandomCrop", shape: x.shape().into(), hint }.into());
        };
        let [top, left] = [rng.below(room[0] + 1), rng.below(room[1] + 1)].map(|n| n as isize - self.padding as isize);
        let ([h, w], x) = (self.size, x.contiguous());
        let (source, mut piece) = (x.as_slice().expect("contiguous"), Tensor::zeros(&[channels, h, w]));
        // Columns of the crop that overlap the image.
        let first = (-left).clamp(0, w as isize) as usize;
        let last = (width as isize - left).clamp(first as isize, w as isize) as usize;
        for (i, row) in piece.make_mut().chunks_exact_mut(w.max(1)).enumerate() {
            let (channel, y) = (i / h, (i % h) as isize + top);
            if (0..height as isize).contains(&y) && first < last {
                let from = (channel * height + y as usize) * width + (first as isize + left) as usize;
                row[first..last].copy_from_slice(&source[from..from + last - first]);
            }
        }
        Ok(piece)
    }
}

/// Flips the image left to right with some probability.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::data::{HorizontalFlip, Transform};
/// let flipped = HorizontalFlip { probability: 1.0 }.apply(tensor![[[1.0, 2.0]]], &mut Rng::new(0))?;
/// assert_eq!(flipped, tensor![[[2.0, 1.0]]]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HorizontalFlip {
    /// Probability of a flip, from 0 (never) to 1 (always).
    pub probability: f64,
}

impl<T: Float> Transform<T> for HorizontalFlip {
    fn apply(&self, x: Tensor<T>, rng: &mut Rng) -> Result<Tensor<T>, DataError> {
        image("HorizontalFlip", &x)?;
        unit("HorizontalFlip", "probability", self.probability)?;
        Ok(if rng.uniform() < self.probability { x.flip(-1) } else { x })
    }
}

/// Rotates the image about its center, scales it and shifts it, each by a random amount. Interpolates bilinearly;
/// pixels outside the image count as 0.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::data::{RandomAffine, Transform};
/// let larger = RandomAffine { scale: [2.0, 2.0], ..RandomAffine::rotation(0.0) };
/// let x = tensor![[[0.0, 4.0, 8.0]]];
/// assert_eq!(larger.apply(x, &mut Rng::new(0))?, tensor![[[2.0, 4.0, 6.0]]]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RandomAffine {
    /// Largest angle in either direction, in degrees.
    pub degrees: f64,
    /// Largest shift in either direction, as fractions of height and width.
    pub translate: [f64; 2],
    /// Smallest and largest scale factor, positive.
    pub scale: [f64; 2],
}

impl RandomAffine {
    /// Creates a transform that only rotates.
    pub fn rotation(degrees: f64) -> Self {
        RandomAffine { degrees, translate: [0.0; 2], scale: [1.0; 2] }
    }

    fn check(&self) -> Result<(), DataError> {
        const OP: &str = "RandomAffine";
        non_negative(OP, "degrees", self.degrees)?;
        self.translate.iter().try_for_each(|x| non_negative(OP, "translate", *x))?;
        self.scale.iter().try_for_each(|x| positive(OP, "scale", *x))?;
        let [smallest, largest] = self.scale;
        if smallest > largest {
            let hint = format!("the smallest scale, {smallest}, exceeds the largest, {largest}");
            return Err(Error::Argument { op: OP, hint }.into());
        }
        Ok(())
    }
}

impl<T: Float> Transform<T> for RandomAffine {
    fn apply(&self, x: Tensor<T>, rng: &mut Rng) -> Result<Tensor<T>, DataError> {
        let shape @ [channels, height, width] = image("RandomAffine", &x)?;
        self.check()?;
        let mut within = |low: f64, high: f64| low + (high - low) * rng.uniform();
        let (sin, cos) = within(-self.degrees, self.degrees).to_radians().sin_cos();
        let scale = within(self.scale[0], self.scale[1]);
        let down = within(-self.translate[0], self.translate[0]) * height as f64;
        let right = within(-self.translate[1], self.translate[1]) * width as f64;
        let (middle_y, middle_x) = ((height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0);
        let x = x.contiguous();
        let source = x.as_slice().expect("contiguous");
        let mut out = Tensor::zeros(&shape);
        let pixels = out.make_mut();
        for (i, j) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))) {
            // The position in the input that maps to this pixel.
            let (dy, dx) = ((i as f64 - middle_y - down) / scale, (j as f64 - middle_x - right) / scale);
            let (y, x) = (middle_y + cos * dy + sin * dx, middle_x - sin * dy + cos * dx);
            for (row, col, weight) in
                neighbors(y, x).filter(|(r, c, _)| (0.0..height as f64).contains(r) && (0.0..width as f64).contains(c))
            {
                let from = row as usize * width + col as usize;
                for c in 0..channels {
                    pixels[(c * height + i) * width + j] += T::of(weight) * source[c * height * width + from];
                }
            }
        }
        Ok(out)
    }
}

/// The pixels around a point that have a bilinear weight: at most four. An infinite pixel with weight 0 would give NaN.
fn neighbors(y: f64, x: f64) -> impl Iterator<Item = (f64, f64, f64)> {
    let (top, left) = (y.floor(), x.floor());
    let weight = |row: f64, col: f64| (1.0 - (y - row).abs()) * (1.0 - (x - col).abs());
    let corners = [(top, left), (top, left + 1.0), (top + 1.0, left), (top + 1.0, left + 1.0)];
    corners.map(|(row, col)| (row, col, weight(row, col))).into_iter().filter(|(.., weight)| *weight > 0.0)
}

/// Sets a square around a random pixel to zero, clipped at the borders (DeVries and Taylor, 2017).
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::data::{Cutout, Transform};
/// let blotted = Cutout { size: 1 }.apply(tensor![[[1.0, 1.0, 1.0]]], &mut Rng::new(0))?;
/// assert_eq!(blotted.sum().item(), 2.0);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutout {
    /// Side length of the square.
    pub size: usize,
}

impl<T: Float> Transform<T> for Cutout {
    fn apply(&self, mut x: Tensor<T>, rng: &mut Rng) -> Result<Tensor<T>, DataError> {
        let [_, height, width] = image("Cutout", &x)?;
        // Anything larger covers the whole image, too.
        let cut = self.size.min(isize::MAX as usize / 2) as isize;
        let mut side = |size: usize| {
            let start = rng.below(size) as isize - cut / 2;
            start.max(0) as usize..(start + cut).clamp(0, size as isize) as usize
        };
        let (rows, cols) = (side(height), side(width));
        for (i, row) in x.make_mut().chunks_exact_mut(width).enumerate() {
            if rows.contains(&(i % height)) {
                row[cols.clone()].fill(T::zero());
            }
        }
        Ok(x)
    }
}

/// The sizes of a non-empty image.
fn image<T: Float>(op: &'static str, x: &Tensor<T>) -> Result<[usize; 3], DataError> {
    match *x.shape() {
        [channels, height, width] if height > 0 && width > 0 => Ok([channels, height, width]),
        _ => {
            let hint = "each sample must be a non-empty image [channels, height, width]".into();
            Err(Error::Shape { op, shape: x.shape().into(), hint }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::tensor;

    fn numbered(shape: &[usize]) -> Tensor<f64> {
        Tensor::arange(shape.iter().product()).reshape(shape) + 1.0
    }

    fn apply(transform: &dyn Transform<f64>, x: &Tensor<f64>, seed: u64) -> Tensor<f64> {
        transform.apply(x.clone(), &mut Rng::new(seed)).unwrap()
    }

    #[test]
    fn normalizing() {
        let x = numbered(&[2, 1, 2]);
        let y = apply(&Normalize { mean: vec![1.0, 3.0], std: vec![1.0, 0.5] }, &x, 0);
        assert_eq!(y, tensor![[[0.0, 1.0]], [[0.0, 2.0]]]);
        let small = Normalize { mean: vec![1.0], std: vec![1e-50] };
        assert!(small.apply(Tensor::<f32>::ones(&[1, 1, 1]), &mut Rng::new(0)).is_err());
        assert!(Normalize { mean: vec![1.0], std: vec![1.0] }.apply(x, &mut Rng::new(0)).is_err());
    }

    #[test]
    fn crops_are_pieces_of_the_padded_image() {
        let x = numbered(&[2, 3, 4]);
        let padded = x.pad(&[[0, 0], [2, 2], [2, 2]], autograd::Pad::Constant(0.0));
        for size in [[3, 4], [1, 1], [7, 8], [2, 0]] {
            let mut found = std::collections::HashSet::new();
            for seed in 0..200 {
                let y = apply(&RandomCrop { size, padding: 2 }, &x, seed);
                let places = (0..=7 - size[0]).flat_map(|i| (0..=8 - size[1]).map(move |j| (i, j)));
                let piece = |(i, j)| padded.slice_axis(1, i..i + size[0]).slice_axis(2, j..j + size[1]);
                found.insert(places.clone().find(|place| piece(*place) == y).expect("a crop of the padded image"));
            }
            assert!(found.len() > 1 || size == [7, 8] || size[1] == 0);
        }
        let mut rng = Rng::new(0);
        let huge = RandomCrop { size: [1, 1], padding: usize::MAX }.apply(x.clone(), &mut rng).unwrap_err();
        assert!(huge.to_string().contains("or too large"), "{huge}");
        assert!(RandomCrop { size: [4, 4], padding: 0 }.apply(x, &mut rng).is_err());
        assert!(RandomCrop { size: [1, 1], padding: 0 }.apply(tensor![[1.0]], &mut rng).is_err());
    }

    #[test]
    fn flips() {
        let x = numbered(&[1, 2, 2]);
        assert_eq!(apply(&HorizontalFlip { probability: 1.0 }, &x, 0), tensor![[[2.0, 1.0], [4.0, 3.0]]]);
        assert_eq!(apply(&HorizontalFlip { probability: 0.0 }, &x, 0), x);
        let flipped = (0..1000).filter(|seed| apply(&HorizontalFlip { probability: 0.3 }, &x, *seed) != x).count();
        assert!((250..350).contains(&flipped), "{flipped}");
    }

    #[test]
    fn turns_scales_and_shifts() {
        let x = numbered(&[2, 3, 3]);
        let same = RandomAffine { degrees: 0.0, translate: [0.0; 2], scale: [1.0; 2] };
        assert_eq!(apply(&same, &x, 0), x);
        let (mut huge, last) = (x.clone(), x.len() - 1);
        huge.make_mut()[last] = f64::INFINITY;
        assert_eq!(apply(&same, &huge, 0), huge);
        // A rotation about the center keeps the central pixel.
        for seed in 0..20 {
            let y = apply(&RandomAffine::rotation(180.0), &x, seed);
            assert!((y.at(&[1, 1, 1]) - x.at(&[1, 1, 1])).abs() < 1e-12);
            assert!(y.max().item() <= x.max().item() + 1e-12);
        }
        // At scale 2, a neighbor of the center lies half way between the center and its former neighbor.
        let y = apply(&RandomAffine { scale: [2.0; 2], ..same.clone() }, &x, 0);
        assert_eq!(y.at(&[0, 1, 2]), (x.at(&[0, 1, 1]) + x.at(&[0, 1, 2])) / 2.0);
        let y = apply(&RandomAffine { translate: [1.0, 0.0], ..same }, &x, 3);
        assert!(y.sum().item() < x.sum().item());
    }

    #[test]
    fn cutting_out() {
        let x = numbered(&[2, 4, 5]);
        for seed in 0..100 {
            let y = apply(&Cutout { size: 3 }, &x, seed);
            let blotted = y.iter().zip(x.iter()).filter(|(y, x)| y != x).inspect(|(y, _)| assert_eq!(*y, 0.0)).count();
            assert!((2 * 4..=2 * 9).contains(&blotted), "{blotted}");
        }
        for size in [99, usize::MAX] {
            assert_eq!(apply(&Cutout { size }, &x, 0), Tensor::zeros(&[2, 4, 5]));
        }
        assert_eq!(apply(&Cutout { size: 0 }, &x, 0), x);
    }
}
