//! [`Members`]: the unpacked data of a gzip file, which is a sequence of members. Padding after the last one (zeros, as on
//! tapes, or a line break added by an editor) is accepted, as in `gzip` itself.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

pub(super) struct Members<R> {
    /// `None` once all members have been read.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Members<R> {
    pub(super) fn new(file: R) -> Self {
        Members { member: Some(GzDecoder::new(BufReader::new(file))) }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(bytes)?;
            if read > 0 || bytes.is_empty() {
                return Ok(read);
            }
            let mut rest = self.member.take().expect("it was just read").into_inner();
            self.member = follows(&mut rest)?.then(|| GzDecoder::new(rest));
        }
        Ok(0)
    }
}

/// Whether another member follows. Skips padding, after which nothing may follow.
fn follows(rest: &mut impl BufRead) -> io::Result<bool> {
    let mut padded = false;
    loop {
        let bytes = rest.fill_buf()?;
        let padding = bytes.iter().take_while(|byte| [0, b'\n', b'\r'].contains(byte)).count();
        match bytes.get(padding) {
            Some(0x1f) if !padded && padding == 0 => return Ok(true),
            Some(_) => return Err(io::Error::new(ErrorKind::InvalidData, "data that is not compressed follows")),
            None if bytes.is_empty() => return Ok(false),
            None => {}
        }
        padded = true;
        rest.consume(padding);
    }
}
