//! A small data set bundled with the crate: real images, without a download.

use super::{Column, CsvOptions, TensorDataset, read_csv_from};
use crate::once;

/// 1797 lines of 64 pixels from 0 to 16 and a label, compressed. README.md in the same folder states their origin.
const LINES: &[u8] = include_bytes!("digits.csv.gz");

once! {
    /// 1797 handwritten digits of 8 × 8 pixels: inputs `[1797, 64]` from 0 (paper) to 1 (ink), labels 0 to 9.
    ///
    /// The test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak ([UCI Machine Learning
    /// Repository](https://archive.ics.uci.edu/ml/datasets/optical+recognition+of+handwritten+digits), 1998), licensed
    /// under CC BY 4.0.
    ///
    /// ```
    /// let digits = nn::data::digits::<f32>();
    /// assert_eq!(digits.inputs().shape(), [1797, 64]);
    /// for line in digits.inputs().slice_axis(0, 0..1).to_vec().chunks(8) {
    ///     println!("{}", line.iter().map(|x| if *x > 0.5 { "##" } else { "  " }).collect::<String>());
    /// }
    /// ```
    pub fn digits<T>() -> TensorDataset<T> {
        let lines = flate2::read::GzDecoder::new(LINES);
        let options = CsvOptions::labels(Column::Last).classes(10);
    let pixels = read_csv_from::<T>(lines, "digits.csv.gz", &options).expect("the embedded digits are valid");
        TensorDataset::new(pixels.inputs() / T::of(16.0), pixels.targets().clone()).expect("as many labels as before")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Target;

    #[test]
    fn all_digits_are_there() {
        let digits = digits::<f64>();
        assert_eq!((digits.inputs().min().item(), digits.inputs().max().item()), (0.0, 1.0));
        let Target::Labels(labels) = digits.targets() else { panic!("digits have labels") };
        let mut counts = [0; 10];
        labels.iter().for_each(|label| counts[label as usize] += 1);
        // The counts in the data set's description.
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        // The sum of all pixels, computed from the file without this crate.
        assert_eq!(digits.inputs().sum().item() * 16.0, PIXEL_SUM);
    }
    const PIXEL_SUM: f64 = 561718.0;
}
