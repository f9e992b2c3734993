//! [`StateDict`] as bytes in memory, for other ranks of a distributed run: a file without the file.

use super::{AnyTensor, StateDict};
use autograd::{Element, Tensor};

impl StateDict {
    /// All tensors and metadata as bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, self.metadata.len());
        for (name, text) in &self.metadata {
            put_text(&mut bytes, name);
            put_text(&mut bytes, text);
        }
        for (name, tensor) in self.iter() {
            put_text(&mut bytes, name);
            put_text(&mut bytes, tensor.type_name());
            put(&mut bytes, tensor.shape().len());
            tensor.shape().iter().for_each(|size| put(&mut bytes, *size));
            tensor.write_numbers(&mut bytes).expect("memory takes all bytes");
        }
        bytes
    }

    /// The inverse of [`to_bytes`](StateDict::to_bytes); `None` for other bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (left, mut dict) = (&mut &*bytes, StateDict::new());
        for _ in 0..take(left)? {
            let name = take_text(left)?;
            dict.metadata.insert(name, take_text(left)?);
        }
        while !left.is_empty() {
            let (name, kind) = (take_text(left)?, take_text(left)?);
            let rank = take(left)?;
            let shape = (0..rank).map(|_| take(left)).collect::<Option<Vec<usize>>>()?;
            let tensor: AnyTensor = match kind.as_str() {
                "f32" => elements(left, &shape, f32::from_le_bytes)?.into(),
                "f64" => elements(left, &shape, f64::from_le_bytes)?.into(),
                "i64" => elements(left, &shape, i64::from_le_bytes)?.into(),
                "bool" => elements(left, &shape, |[byte]: [u8; 1]| byte != 0)?.into(),
                _ => return None,
            };
            dict.insert(name, tensor);
        }
        Some(dict)
    }
}

fn put(bytes: &mut Vec<u8>, n: usize) {
    bytes.extend((n as u64).to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len());
    bytes.extend(text.as_bytes());
}

fn take(left: &mut &[u8]) -> Option<usize> {
    let (n, rest) = left.split_first_chunk()?;
    *left = rest;
    usize::try_from(u64::from_le_bytes(*n)).ok()
}

fn take_text(left: &mut &[u8]) -> Option<String> {
    let length = take(left)?;
    let text = left.split_off(..length)?;
    String::from_utf8(text.to_vec()).ok()
}

fn elements<E: Element, const N: usize>(
    left: &mut &[u8],
    shape: &[usize],
    of: impl Fn([u8; N]) -> E,
) -> Option<Tensor<E>> {
    let length = shape.iter().try_fold(N, |length, size| length.checked_mul(*size))?;
    let (elements, _) = left.split_off(..length)?.as_chunks();
    Some(Tensor::new(shape, elements.iter().map(|bytes| of(*bytes)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::tensor;

    #[test]
    fn every_type_arrives_and_nothing_else_does() {
        let mut dict = StateDict::new();
        dict.metadata.insert("seed".into(), "ünï\n7".into());
        dict.insert("a", tensor![[1.5f32, f32::NEG_INFINITY], [-0.0, 1e-40]]);
        dict.insert("b", tensor![i64::MIN, 7]);
        dict.insert("c", tensor![true, false]);
        dict.insert("none", Tensor::<f64>::zeros(&[3, 0]));
        dict.insert("scalar", Tensor::scalar(0.1));
        let bytes = dict.to_bytes();
        assert_eq!(StateDict::from_bytes(&bytes), Some(dict));
        for end in 0..bytes.len() {
            // A part that ends between two tensors is a smaller dictionary.
            let part = StateDict::from_bytes(&bytes[..end]);
            assert!(part.is_none_or(|part| part.len() < 5), "{end}");
        }
        assert_eq!(StateDict::from_bytes(&[255; 64]), None);
    }
}
