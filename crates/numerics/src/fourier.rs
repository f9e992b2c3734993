//! Plans of Fourier transforms.

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftDirection, FftNum, FftPlanner};
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

compiled! {
    /// Plans, which are made once for each size and thread.
    ///
    /// ```
    /// use numerics::{Complex, FftDirection, Fourier};
    /// let mut x = [1.0, 2.0].map(|re| Complex { re, im: 0.0 });
    /// f64::complex(2, FftDirection::Forward).process(&mut x);
    /// assert_eq!(x.map(|y| y.re), [3.0, -1.0]);
    /// ```
    pub trait Fourier: FftNum {
        /// A plan for `n` complex numbers.
        fn complex(n: usize, direction: FftDirection) -> Arc<dyn Fft<Self>>;
        /// A plan for `n` real numbers.
        fn real(n: usize) -> Arc<dyn RealToComplex<Self>>;
        /// A plan for the first half of the transform of `n` real numbers, which it computes.
        fn half(n: usize) -> Arc<dyn ComplexToReal<Self>>;
    }
}

fn complex<T: FftNum>(n: usize, direction: FftDirection) -> Arc<dyn Fft<T>> {
    planned(|p: &mut Planners<T>| p.complex.plan_fft(n, direction))
}

fn real<T: FftNum>(n: usize) -> Arc<dyn RealToComplex<T>> {
    planned(|p: &mut Planners<T>| p.real.plan_fft_forward(n))
}

fn half<T: FftNum>(n: usize) -> Arc<dyn ComplexToReal<T>> {
    planned(|p: &mut Planners<T>| p.real.plan_fft_inverse(n))
}

/// The plans of one number type. A plan holds the roots of unity of its size.
struct Planners<T: FftNum> {
    complex: FftPlanner<T>,
    real: RealFftPlanner<T>,
    /// The number of plans requested.
    asked: usize,
}

impl<T: FftNum> Planners<T> {
    fn new() -> Self {
        Planners { complex: FftPlanner::new(), real: RealFftPlanner::new(), asked: 0 }
    }
}

/// After this many plans, the cache is cleared: a loop over a few sizes rarely makes its plans again, and plans of
/// sizes that are all different do not fill the memory.
const MANY: usize = 1000;

fn planned<T: FftNum, P>(plan: impl FnOnce(&mut Planners<T>) -> P) -> P {
    thread_local!(static PLANNERS: RefCell<HashMap<TypeId, Box<dyn Any>>> = RefCell::default());
    PLANNERS.with_borrow_mut(|planners| {
        let planners = planners.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(Planners::<T>::new()));
        let planners: &mut Planners<T> = planners.downcast_mut().expect("it has the type of its key");
        planners.asked += 1;
        if planners.asked > MANY {
            *planners = Planners::new();
        }
        plan(planners)
    })
}
