//! The calls of MPI, through `shim.c`. A foreign function is `unsafe` to call; each call here passes pointers to slices with
//! their own lengths. The caller makes one call at a time, and no list is longer than an `int` can count.

use std::ffi::{c_char, c_int};

pub const LINKED: bool = true;

unsafe extern "C" {
    fn wengert_mpi_start(rank: *mut c_int, size: *mut c_int) -> c_int;
    fn wengert_mpi_finish() -> c_int;
    fn wengert_mpi_abort();
    fn wengert_mpi_sum_f32(numbers: *mut f32, count: c_int) -> c_int;
    fn wengert_mpi_sum_f64(numbers: *mut f64, count: c_int) -> c_int;
    fn wengert_mpi_broadcast(bytes: *mut u8, count: c_int, from: c_int) -> c_int;
    fn wengert_mpi_gather_words(words: *const u64, count: c_int, all: *mut u64) -> c_int;
    fn wengert_mpi_gather(
        bytes: *const u8,
        count: c_int,
        all: *mut u8,
        counts: *const c_int,
        starts: *const c_int,
    ) -> c_int;
    fn wengert_mpi_error(code: c_int, text: *mut c_char, room: c_int) -> c_int;
}

fn int(n: usize) -> c_int {
    c_int::try_from(n).expect("the caller cuts what is longer")
}

/// What MPI says about an error code.
fn checked(code: c_int) -> Result<(), String> {
    if code == 0 {
        return Ok(());
    }
    let mut text = [0u8; 512];
    // SAFETY: at most 512 bytes are written to the 512 bytes of `text`.
    let length = unsafe { wengert_mpi_error(code, text.as_mut_ptr().cast(), int(text.len())) };
    let text = text.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
    Err(format!("error {code}: {}", String::from_utf8_lossy(text)))
}

pub fn start() -> Result<(usize, usize), String> {
    let (mut rank, mut size) = (0, 0);
    // SAFETY: both pointers are to integers of this function.
    checked(unsafe { wengert_mpi_start(&mut rank, &mut size) })?;
    let number = |n: c_int| usize::try_from(n).map_err(|_| format!("MPI counts {n} ranks"));
    Ok((number(rank)?, number(size)?))
}

pub fn finish() {
    // SAFETY: MPI has been started, and this is the last call. A failure cannot be reported.
    let _ = unsafe { wengert_mpi_finish() };
}

pub fn abort() {
    // SAFETY: MPI has been started.
    unsafe { wengert_mpi_abort() };
}

pub fn sum_f32(numbers: &mut [f32]) -> Result<(), String> {
    // SAFETY: a slice has as many numbers as its length says.
    checked(unsafe { wengert_mpi_sum_f32(numbers.as_mut_ptr(), int(numbers.len())) })
}

pub fn sum_f64(numbers: &mut [f64]) -> Result<(), String> {
    // SAFETY: as above.
    checked(unsafe { wengert_mpi_sum_f64(numbers.as_mut_ptr(), int(numbers.len())) })
}

pub fn broadcast(bytes: &mut [u8], from: usize) -> Result<(), String> {
    // SAFETY: as above; the ranks have agreed on the length.
    checked(unsafe { wengert_mpi_broadcast(bytes.as_mut_ptr(), int(bytes.len()), int(from)) })
}

/// The same number of words of each rank.
pub fn gather_words(words: &[u64], all: &mut [u64]) -> Result<(), String> {
    assert_eq!(all.len() % words.len(), 0, "room for the words of each rank");
    // SAFETY: `all` has room for the words of each rank; its caller knows the number of ranks.
    checked(unsafe { wengert_mpi_gather_words(words.as_ptr(), int(words.len()), all.as_mut_ptr()) })
}

/// As many bytes of each rank as `lengths` says.
pub fn gather(bytes: &[u8], all: &mut [u8], lengths: &[usize]) -> Result<(), String> {
    assert_eq!(all.len(), lengths.iter().sum::<usize>(), "room for the bytes of each rank");
    let counts: Vec<c_int> = lengths.iter().map(|length| int(*length)).collect();
    let starts = lengths.iter().scan(0, |start, length| Some(int(std::mem::replace(start, *start + length))));
    let starts: Vec<c_int> = starts.collect();
    // SAFETY: `all` has room for the parts that `counts` and `starts` describe, one for each rank.
    checked(unsafe {
        wengert_mpi_gather(bytes.as_ptr(), int(bytes.len()), all.as_mut_ptr(), counts.as_ptr(), starts.as_ptr())
    })
}
