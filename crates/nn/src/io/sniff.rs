//! Identifies a file that is not what its reader expects, and says what to do with it.

/// Recognizes common files by their first bytes; a kilobyte is enough.
pub(crate) fn stranger(start: &[u8]) -> Option<&'static str> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let begins = |text: &str| start.len() >= text.len() && start[..text.len()].eq_ignore_ascii_case(text.as_bytes());
    let holds = |text: &str| start.windows(text.len()).any(|part| part == text.as_bytes());
    Some(match start {
        // Protocols 2 to 5 of pickle begin with the opcode PROTO; the legacy format of torch.save does so, too.
        // A safetensors file can begin with the same two bytes, but its third is 0 then.
        [0x80, 2..=5, third, ..] if *third != 0 => PICKLE,
        [b'P', b'K', 3, 4, ..] if holds("data.pkl") || holds("/version") => PICKLE,
        [b'P', b'K', 3, 4, ..] => {
            "this is a ZIP archive, such as an NPZ file (StateDict::read_npz): unpack it, or use its reader"
        }
        [0x1f, 0x8b, ..] => "this file is compressed with gzip: decompress it first",
        [0x89, b'H', b'D', b'F', ..] => "this is an HDF5 file: convert it in Python with h5py and safetensors",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "this is a NumPy array: read it with read_npy",
        _ if begins("<!doctype html") || begins("<html") || begins("<head") => {
            "this is an HTML page, not the file that it links to: download the file itself"
        }
        _ if begins("version https://git-lfs.github.com/spec/") => {
            "this is a Git LFS pointer, which stands for the file: run `git lfs pull` to download it"
        }
        _ if begins("{") && holds("weight_map") => {
            "this is the index of a sharded model: read it by its own path, which ends with .json, next to its shards"
        }
        _ => return None,
    })
}

const PICKLE: &str = "this is a PyTorch file (a pickle, which can run code when it is read). Convert it in Python:\n  \
    import torch, safetensors.torch\n  \
    weights = torch.load(\"model.pt\", map_location=\"cpu\", weights_only=True)\n  \
    safetensors.torch.save_file({name: w.contiguous() for name, w in weights.items()}, \"model.safetensors\")";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_known_by_their_first_bytes() {
        let cases: [(&[u8], &str); 8] = [
            (b"\x80\x02}q\x00", "torch.load"),
            (b"PK\x03\x04\0\0archive/data.pkl", "torch.load"),
            (b"PK\x03\x04\0\0x.npy", "ZIP archive"),
            (b"\xef\xbb\xbf\n<!DOCTYPE html>", "an HTML page"),
            (b"  <HTML>", "an HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
            (b"{\"metadata\": {}, \"weight_map\": {}}", "index of a sharded model"),
            (b"\x93NUMPY\x01", "read_npy"),
        ];
        for (bytes, says) in cases {
            assert!(stranger(bytes).is_some_and(|text| text.contains(says)), "{says}");
        }
        for ours in [&b"a,b\n1,2\n"[..], b"", b"<", b"\x10\0\0\0\0\0\0\0{\"weight_map\""] {
            assert_eq!(stranger(ours), None);
        }
    }
}
