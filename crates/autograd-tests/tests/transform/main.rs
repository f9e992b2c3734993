//! Transforms of functions, against one another and against the same thing done by hand.

mod bad_input;
mod custom;
mod hook;
mod implicit;
mod jacobian;
mod ode;
mod programs;
#[path = "../recipe/mod.rs"]
mod recipe;
mod scan;
mod sparse;
mod taylor;
mod trouble;
mod vmap;
mod while_loop;
