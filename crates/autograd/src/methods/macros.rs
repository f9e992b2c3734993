//! Expands one row into methods: the plain form, its `try_` twin, and a tested example.

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $Op:ident = $expected:literal;)*) => { $(
        $(#[$doc])*
        ///
        /// ```
        /// let x = 0.5_f64;
        #[doc = concat!("let y = autograd::tensor![x].", stringify!($name), "().item();")]
        #[doc = concat!("let expected = f64::from(", $expected, ");")]
        /// assert!((y - expected).abs() < 1e-15 || y.is_nan() && expected.is_nan());
        /// ```
        #[track_caller]
        #[inline]
        pub fn $name(&self) -> Self {
            Value::unary(self, Unary::$Op)
        }
    )* };
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident, $try:ident, $Op:ident = $expected:literal;)*) => { $(
        $(#[$doc])*
        ///
        /// ```
        /// # use autograd::tensor;
        /// let (a, b) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![3.0, 2.0]);
        #[doc = concat!("let y = a.", stringify!($name), "(b) - tensor![", $expected, "];")]
        /// assert!(y.abs().max().item() < 1e-15);
        /// ```
        /// # Panics
        #[doc = concat!("If the shapes do not broadcast; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        #[inline]
        pub fn $name(&self, b: impl Borrow<Self>) -> Self {
            or_panic(self.$try(b))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), but returns the error.")]
        #[track_caller]
        #[inline]
        pub fn $try(&self, b: impl Borrow<Self>) -> Result<Self> {
            Value::try_binary(Binary::$Op, self, b.borrow())
        }
    )* };
}

macro_rules! fold {
    ($($(#[$doc:meta])* $name:ident, $axes:ident, $keep:ident, $try:ident = $all:literal, $rows:literal
        |$this:ident, $set:ident, $kept:ident| $body:block)*) => { $(
        $(#[$doc])*
        /// Reduces all elements; the result has rank 0.
        ///
        /// ```
        #[doc = concat!("let y: f64 = autograd::tensor![[1.0, 2.0], [3.0, 4.0]].", stringify!($name), "().item();")]
        #[doc = concat!("assert!((y - ", $all, ").abs() < 1e-14);")]
        /// ```
        #[track_caller]
        pub fn $name(&self) -> Self {
            or_panic(self.$try(.., Dims::Drop))
        }

        $(#[$doc])*
        /// Reduces the given axes (`1`, `-1`, `[0, 2]`), which are removed from the result.
        ///
        /// ```
        #[doc = concat!("let rows: Vec<f64> = autograd::tensor![[1.0, 2.0], [3.0, 4.0]].", stringify!($axes), "(1).to_vec();")]
        #[doc = concat!("let expected: [f64; 2] = ", $rows, ";")]
        /// assert!(rows.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14));
        /// ```
        /// # Panics
        #[doc = concat!("If an axis is out of range or named twice; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $axes(&self, axes: impl Into<Axes>) -> Self {
            or_panic(self.$try(axes, Dims::Drop))
        }

        $(#[$doc])*
        /// Reduces the given axes, which are kept with size 1, so that the result broadcasts against the operand.
        ///
        /// ```
        #[doc = concat!("let rows = autograd::tensor![[1.0, 2.0], [3.0, 4.0]].", stringify!($keep), "(1);")]
        /// assert_eq!(rows.shape(), [2, 1]);
        /// ```
        /// # Panics
        #[doc = concat!("If an axis is out of range or named twice; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $keep(&self, axes: impl Into<Axes>) -> Self {
            or_panic(self.$try(axes, Dims::Keep))
        }

        $(#[$doc])*
        /// Reduces the given axes, kept with size 1 or dropped. Returns an error if an axis is out of range or named
        /// twice.
        #[track_caller]
        pub fn $try(&self, axes: impl Into<Axes>, dims: Dims) -> Result<Self> {
            let ($this, $kept) = (self, dims.kept());
            let $set = axes.into().resolve(stringify!($name), &Value::shape(self))?;
            $body
        }
    )* };
}

/// Generates a panicking method and its `try_` twin from one body.
macro_rules! twins {
    (@result) => { Self };
    (@result $Result:ty) => { $Result };
    ($($(#[$doc:meta])* $name:ident, $try:ident ($($arg:ident: $Arg:ty),*) $(-> $Result:ty)? |$this:ident| $body:block)*) => { $(
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = concat!("If the arguments do not fit; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $name(&self, $($arg: $Arg),*) -> twins!(@result $($Result)?) {
            or_panic(self.$try($($arg),*))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), but returns the error.")]
        #[track_caller]
        pub fn $try(&self, $($arg: $Arg),*) -> Result<twins!(@result $($Result)?)> {
            let $this = self;
            $body
        }
    )* };
}

pub(super) use {binary, fold, twins, unary};
