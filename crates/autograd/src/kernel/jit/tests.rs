use super::assembler::{Assembler, General, Instruction, Memory, Source, Vector};
use super::compile::compile;
use super::*;

/// Runs code that reads the addresses it needs from a table, like a [`Function`].
fn call(asm: &Assembler, table: &[*const u8]) {
    let code = executable(&asm.code).expect("memory that may be executed");
    // SAFETY: code of this type, written by the test that calls it.
    let run: Function = unsafe { std::mem::transmute(code.as_ptr()) };
    // SAFETY: the tests access one vector at each address.
    unsafe { run(table.as_ptr(), 0, VECTOR) };
}

/// The memory at a register.
fn at(base: General) -> Memory {
    Memory { base, index: None, offset: 0 }
}

/// Entry `k` of the table.
fn entry(k: i32) -> Memory {
    Memory { offset: 8 * k, ..at(General::RDI) }
}

fn has_avx() -> bool {
    is_x86_feature_detected!("avx")
}

const X: [f64; 4] = [1.5, -2.0, 9.0, -0.0];
const Y: [f64; 4] = [0.1, 3.0, -7.0, 5.0];
const INSTRUCTIONS: [Instruction; 7] = [
    Instruction::Sqrt,
    Instruction::And,
    Instruction::Xor,
    Instruction::Add,
    Instruction::Mul,
    Instruction::Sub,
    Instruction::Div,
];

fn scalar(op: Instruction, a: f64, b: f64) -> f64 {
    match op {
        Instruction::Add => a + b,
        Instruction::Sub => a - b,
        Instruction::Mul => a * b,
        Instruction::Div => a / b,
        Instruction::Sqrt => b.sqrt(),
        Instruction::And => f64::from_bits(a.to_bits() & b.to_bits()),
        Instruction::Xor => f64::from_bits(a.to_bits() ^ b.to_bits()),
    }
}

#[test]
fn every_instruction_takes_all_vector_registers() {
    if !has_avx() {
        return;
    }
    for (op, k) in INSTRUCTIONS.into_iter().flat_map(|op| (0..256).map(move |k| (op, k))) {
        let [to, a, b] = [k / 16, k % 16, (k * 7 + 3) % 16].map(|k| Vector(k as u8));
        let x = if a == b { Y } else { X };
        let (mut out, mut asm) = ([0.0_f64; 4], Assembler::new(8));
        for (k, vector) in [a, b].into_iter().enumerate() {
            asm.load_general(General::RAX, entry(k as i32));
            asm.load(vector, at(General::RAX));
        }
        match op {
            Instruction::Sqrt => asm.unary(op, to, Source::Vector(b)),
            _ => asm.binary(op, to, a, Source::Vector(b)),
        }
        asm.load_general(General::RAX, entry(2));
        asm.store(to, at(General::RAX));
        asm.leave();
        call(&asm, &[X.as_ptr().cast(), Y.as_ptr().cast(), out.as_mut_ptr().cast()]);
        for i in 0..4 {
            let expected = scalar(op, x[i], Y[i]);
            let same = out[i].to_bits() == expected.to_bits() || out[i].is_nan() && expected.is_nan();
            assert!(same, "{op:?} {to:?} {a:?} {b:?}: {} and not {expected}", out[i]);
        }
    }
}

#[test]
fn addresses_have_all_registers_and_offsets() {
    if !has_avx() {
        return;
    }
    let generals: Vec<General> = (0..16).map(General).filter(|&r| r != General::RSP).collect();
    let indices: Vec<Option<General>> = generals.iter().map(|&r| Some(r)).chain([None]).collect();
    for (&base, &index) in generals.iter().flat_map(|base| indices.iter().map(move |index| (base, index))) {
        for offset in [0, -64, 96, 127, 128, -129, 4096] {
            // The base lacks the offset and the index, or is half of the rest.
            let target = X.as_ptr().addr().wrapping_sub(offset as isize as usize);
            let (first, second) = match index {
                Some(index) if index == base => (target / 2, target / 2),
                Some(_) => (target - 40, 40),
                None => (target, target),
            };
            if first + second != target && index.is_some() {
                continue;
            }
            let mut out = [0.0; 4];
            let table = [first as *const u8, second as *const u8, out.as_mut_ptr().cast()];
            let mut asm = Assembler::new(8);
            generals.iter().for_each(|&register| asm.push(register));
            let mut loads = vec![(base, entry(0))];
            loads.extend(index.filter(|&index| index != base).map(|index| (index, entry(1))));
            // The table's own register comes last.
            loads.sort_by_key(|load| load.0 == General::RDI);
            loads.iter().for_each(|&(register, from)| asm.load_general(register, from));
            asm.load(Vector(9), Memory { base, index, offset });
            generals.iter().rev().for_each(|&register| asm.pop(register));
            asm.load_general(General::RAX, entry(2));
            asm.store(Vector(9), at(General::RAX));
            asm.leave();
            call(&asm, &table);
            assert_eq!(out, X, "{base:?} {index:?} {offset}");
        }
    }
}

/// The steps, one number at a time.
fn slow(steps: &Steps, i: usize, reads: &[Vec<f64>], results: &mut [Vec<f64>], repeated: &[Vec<f64>]) {
    let mut values: Vec<f64> = Vec::new();
    for step in &steps.steps {
        let [a, b] = step.from.map(|from| match from {
            From::Read(k) => reads[k][i],
            From::Repeated(k) => repeated[k][0],
            From::Old(k) => results[k][i],
            From::Step(k) => values[k],
        });
        let value = match step.op {
            Op::Add => a + b,
            Op::Sub => a - b,
            Op::Mul => a * b,
            Op::Div => a / b,
            Op::Neg => -a,
            Op::Abs => a.abs(),
            Op::Sqrt => a.sqrt(),
            Op::Recip => 1.0 / a,
            Op::Copy => a,
        };
        values.push(value);
        if let Some(to) = step.to {
            results[to][i] = value;
        }
    }
}

/// Chooses the next of `n`.
fn choose(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % n
}

/// Steps that read any earlier ones: the more there are, the more values live at the same time.
fn random(state: &mut u64, count: usize) -> Steps {
    const OPS: [Op; 8] = [Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Neg, Op::Abs, Op::Sqrt, Op::Recip];
    let [reads, repeated, results] = [20, 8, 4].map(|most| 1 + choose(state, most));
    let mut steps = Steps { reads, repeated, results, steps: Vec::new() };
    for k in 0..count {
        let to = (k + results).checked_sub(count);
        let from = [(); 2].map(|()| match choose(state, 6) {
            0 => From::Read(choose(state, reads)),
            1 => From::Repeated(choose(state, repeated)),
            // Results are written in the order of their numbers.
            2 => From::Old(results - 1),
            _ if k == 0 => From::Read(0),
            _ => From::Step(choose(state, k)),
        });
        let op = if k + 1 == count { Op::Copy } else { OPS[choose(state, OPS.len())] };
        steps.steps.push(Step { op, from, to });
    }
    steps
}

#[test]
fn loops_have_the_bits_of_their_steps() {
    if !has_avx() {
        return;
    }
    let mut state = 1;
    for round in 0..600 {
        let count = 4 + choose(&mut state, 60);
        let steps = random(&mut state, count);
        let len = [4, 7, 8, 64, 65, 100][round % 6];
        let mut numbers = |count: usize| -> Vec<Vec<f64>> {
            let number = |state: &mut u64| {
                [0.0, -0.0, f64::INFINITY, 1e-310, -1.5][choose(state, 5)] + choose(state, 9) as f64 / 7.0
            };
            (0..count).map(|_| (0..len).map(|_| number(&mut state)).collect()).collect()
        };
        let (reads, mut results) = (numbers(steps.reads), numbers(steps.results));
        let repeated: Vec<Vec<f64>> = numbers(steps.repeated).iter().map(|x| vec![x[0]; 4]).collect();
        let Some(compiled) = Loop::new(&steps, 8) else { panic!("{steps:?}") };
        let (before, mut expected) = (results.clone(), results.clone());
        (0..len).for_each(|i| slow(&steps, i, &reads, &mut expected, &repeated));
        let ran = compiled.run(
            len,
            reads.iter().map(|x| &x[..]),
            results.iter_mut().map(|x| &mut x[..]),
            repeated.iter().map(|x| &x[..]),
        );
        assert_eq!(ran, len % 4 == 0 || !compiled.overwrites);
        let expected = if ran { expected } else { before };
        for (x, y) in results.iter().flatten().zip(expected.iter().flatten()) {
            assert!(x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan(), "{x} and not {y}: {steps:?}");
        }
    }
}

/// The sum of products of all pairs of so many numbers, which are made first.
fn many(count: usize) -> Steps {
    let step = |op, a, b| Step { op, from: [a, b], to: None };
    let mut steps: Vec<Step> = (0..count).map(|_| step(Op::Add, From::Read(0), From::Repeated(0))).collect();
    for k in 1..count {
        steps.push(step(Op::Mul, From::Step(k - 1), From::Step(count - k)));
    }
    for k in 1..count {
        steps.push(step(Op::Add, From::Step(2 * count - 1 - k), From::Step(count + k - 1)));
    }
    steps.last_mut().expect("more than none").to = Some(0);
    Steps { steps, reads: 1, repeated: 1, results: 1 }
}

#[test]
fn too_many_values_are_refused() {
    assert!(compile(&many(40), 8).is_some());
    assert!(compile(&many(200), 8).is_none());
}

#[test]
fn arrays_must_be_long_enough() {
    if !has_avx() {
        return;
    }
    let compiled = Loop::new(&many(3), 4).expect("a short loop");
    let run = |len: usize, x: &[f32], out: &mut [f32], one: &[f32]| {
        compiled.run(len, [x].into_iter(), [out].into_iter(), [one].into_iter())
    };
    assert!(run(9, &[1.0; 9], &mut [0.0; 9], &[1.0; 8]));
    assert!(!run(7, &[1.0; 9], &mut [0.0; 9], &[1.0; 8]));
    for (x, out, one) in [(8, 9, 8), (9, 8, 8), (9, 9, 7)] {
        let short = || run(9, &vec![1.0; x], &mut vec![0.0; out], &vec![1.0; one]);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(short)).is_err());
    }
}

#[test]
#[should_panic(expected = "step 0")]
fn results_must_exist() {
    let step = Step { op: Op::Neg, from: [From::Read(0); 2], to: Some(1) };
    Loop::new(&Steps { steps: vec![step], reads: 1, repeated: 0, results: 1 }, 8);
}

/// Compiles and drops more loops than a process may have mappings.
#[test]
fn loops_return_their_memory() {
    if !has_avx() {
        return;
    }
    for _ in 0..70_000 {
        Loop::new(&many(2), 8).expect("memory is returned");
    }
}
