//! PNG files: rows of bytes, deflated, between checksums.

use flate2::{Compression, Crc, write::ZlibEncoder};
use std::io::Write;

/// An image of rows from the top, with 3 (red, green, blue) or 4 bytes per pixel (and opacity).
pub(super) fn encode(width: usize, channels: usize, bytes: &[u8]) -> Vec<u8> {
    let stride = width * channels;
    let height = bytes.len() / stride.max(1);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    [width, height].iter().for_each(|side| head.extend((*side as u32).to_be_bytes()));
    // Eight bits per channel; color type 2 is RGB, and 6 is RGB and opacity.
    head.extend([8, if channels == 4 { 6 } else { 2 }, 0, 0, 0]);
    chunk(&mut out, b"IHDR", &head);
    chunk(&mut out, b"IDAT", &deflated(&filtered(stride, bytes)));
    chunk(&mut out, b"IEND", &[]);
    out
}

/// Encodes each row as its difference from the row above, which is mostly 0 in a plot: PNG's filter Up.
fn filtered(stride: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / stride.max(1) + 1);
    let mut above = vec![0; stride];
    for row in bytes.chunks_exact(stride.max(1)) {
        out.push(2);
        out.extend(row.iter().zip(&above).map(|(here, above)| here.wrapping_sub(*above)));
        above.copy_from_slice(row);
    }
    out
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to memory succeeds")
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend((data.len() as u32).to_be_bytes());
    let mut sum = Crc::new();
    for part in [name, data] {
        sum.update(part);
        out.extend_from_slice(part);
    }
    out.extend(sum.sum().to_be_bytes());
}

/// Bytes as text, in base 64.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4648() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        cases.iter().for_each(|(text, coded)| assert_eq!(base64(text.as_bytes()), *coded));
    }
}
