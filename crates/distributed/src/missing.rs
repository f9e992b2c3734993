//! The calls of MPI in a program without it. They are never reached, since [`Mpi::start`](crate::Mpi::start) fails.

pub const LINKED: bool = false;

fn missing<T>() -> Result<T, String> {
    Err("built without MPI".to_owned())
}

pub fn start() -> Result<(usize, usize), String> {
    missing()
}

pub fn finish() {}

pub fn abort() {}

pub fn sum_f32(_: &mut [f32]) -> Result<(), String> {
    missing()
}

pub fn sum_f64(_: &mut [f64]) -> Result<(), String> {
    missing()
}

pub fn broadcast(_: &mut [u8], _: usize) -> Result<(), String> {
    missing()
}

pub fn gather_words(_: &[u64], _: &mut [u64]) -> Result<(), String> {
    missing()
}

pub fn gather(_: &[u8], _: &mut [u8], _: &[usize]) -> Result<(), String> {
    missing()
}
