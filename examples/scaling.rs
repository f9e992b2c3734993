//! The cost of a distributed step on 2 to 1,000 machines: an analytical model, checked by a simulation of the messages.
//! `cargo run --release --example scaling`. docs/distributed.md derives the formulas.

/// A network: the latency of a message in seconds, and the bandwidth in bytes per second.
#[derive(Clone, Copy)]
struct Network {
    name: &'static str,
    latency: f64,
    bandwidth: f64,
}

const NETWORKS: [Network; 3] = [
    Network { name: "1 Gbit/s Ethernet", latency: 50e-6, bandwidth: 125e6 },
    Network { name: "25 Gbit/s Ethernet", latency: 10e-6, bandwidth: 3.1e9 },
    Network { name: "200 Gbit/s InfiniBand", latency: 1.5e-6, bandwidth: 25e9 },
];

const MACHINES: [usize; 11] = [1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 1000];

/// The work of one step on one machine: the seconds of its passes over the whole batch, the seconds of the update, which every
/// machine makes, and the bytes of the gradients.
struct Step {
    name: &'static str,
    passes: f64,
    update: f64,
    bytes: f64,
}

/// On paper: each machine sends 2 (p - 1) messages of n / p bytes.
fn ring(p: usize, bytes: f64, Network { latency, bandwidth, .. }: Network) -> f64 {
    2.0 * (p as f64 - 1.0) * (latency + bytes / (p as f64 * bandwidth))
}

/// On paper: p - 1 messages of all bytes, as the sum in the order of shards needs with one shard per rank.
fn gather(p: usize, bytes: f64, Network { latency, bandwidth, .. }: Network) -> f64 {
    (p as f64 - 1.0) * (latency + bytes / bandwidth)
}

/// On paper: the messages of a meeting, which are short. Lengths, contents, and the lengths of the sum spread in ⌈log₂ p⌉ turns
/// each.
fn meeting(p: usize, Network { latency, .. }: Network) -> f64 {
    3.0 * (p as f64).log2().ceil() * latency
}

/// Machines in a ring, each with a clock. A message leaves when its sender is ready, and its receiver is ready when it has
/// arrived.
struct Ring {
    network: Network,
    clocks: Vec<f64>,
}

impl Ring {
    fn new(p: usize, network: Network) -> Self {
        Ring { network, clocks: vec![0.0; p] }
    }

    /// Every machine sends a message of this many bytes to the one `distance` places further.
    fn turn(&mut self, distance: usize, bytes: f64) {
        let sent = self.clocks.clone();
        for (machine, clock) in self.clocks.iter_mut().enumerate() {
            let sender = (machine + sent.len() - distance) % sent.len();
            let arrives = sent[sender] + self.network.latency + bytes / self.network.bandwidth;
            *clock = arrives.max(sent[machine]);
        }
    }

    fn seconds(&self) -> f64 {
        self.clocks.iter().copied().fold(0.0, f64::max)
    }

    /// A sum over machines of `chunks` chunks, one per machine: first each chunk is summed on its way around the ring,
    /// then each sum goes around once more. Moves real numbers, to show that the messages suffice.
    fn all_reduce(&mut self, bytes: f64) {
        let p = self.clocks.len();
        let mut chunks: Vec<Vec<u64>> = (0..p).map(|machine| vec![1 << (machine % 50); p]).collect();
        let expected: u64 = chunks.iter().map(|chunks| chunks[0]).sum();
        for adds in [true, false] {
            for turn in 0..p - 1 {
                // In turn t, a machine sends the chunk t places behind its own; once summed, the one it has just completed.
                let chunk = |machine: usize| (machine + 2 * p - turn + usize::from(!adds)) % p;
                let sent: Vec<u64> = (0..p).map(|machine| chunks[machine][chunk(machine)]).collect();
                for (machine, chunks) in chunks.iter_mut().enumerate() {
                    let sender = (machine + p - 1) % p;
                    let to = &mut chunks[chunk(sender)];
                    *to = sent[sender] + if adds { *to } else { 0 };
                }
                self.turn(1, bytes / p as f64);
            }
        }
        assert!(chunks.iter().flatten().all(|sum| *sum == expected), "every machine has every sum");
    }

    /// Every machine gets the bytes of every other.
    fn gather(&mut self, bytes: f64) {
        let p = self.clocks.len();
        let mut known: Vec<Vec<usize>> = (0..p).map(|machine| vec![machine]).collect();
        for _ in 1..p {
            let sent: Vec<usize> = known.iter().map(|known| *known.last().expect("its own")).collect();
            (0..p).for_each(|machine| known[machine].push(sent[(machine + p - 1) % p]));
            self.turn(1, bytes);
        }
        known.iter_mut().for_each(|known| known.sort_unstable());
        assert!(known.iter().all(|known| known.iter().copied().eq(0..p)), "every machine knows all");
    }

    /// Three exchanges of a word. In each turn, a machine passes on everything it knows, twice as far as before.
    fn meet(&mut self, _: f64) {
        let p = self.clocks.len();
        for _ in 0..3 {
            let (mut known, mut distance) = (1, 1);
            while known < p {
                self.turn(distance, 0.0);
                (known, distance) = (2 * known, 2 * distance);
            }
        }
    }
}

/// The formula and the simulation agree.
fn check(p: usize, bytes: f64, network: Network) {
    let simulated = |run: fn(&mut Ring, f64)| {
        let mut ring = Ring::new(p, network);
        run(&mut ring, bytes);
        ring.seconds()
    };
    for (what, on_paper, simulated) in [
        ("ring", ring(p, bytes, network), simulated(Ring::all_reduce)),
        ("gather", gather(p, bytes, network), simulated(Ring::gather)),
        ("meeting", meeting(p, network), simulated(Ring::meet)),
    ] {
        assert!(
            (on_paper - simulated).abs() <= 1e-9 * on_paper,
            "{what} of {p}: {on_paper} s, simulated {simulated} s"
        );
    }
}

fn main() {
    // About what one thread takes for them.
    let steps = [
        Step { name: "M1c, batch 512", passes: 0.110, update: 0.010, bytes: 33.4e6 },
        Step { name: "the digits, batch 96", passes: 150e-6, update: 3e-6, bytes: 9.6e3 },
    ];
    for step in steps {
        for network in NETWORKS {
            println!("\n{} on {}", step.name, network.name);
            println!("{:>9} {:>11} {:>8} {:>11} {:>8}", "machines", "step", "speedup", "same bits", "speedup");
            let alone = step.passes + step.update;
            let (mut best, mut most) = (1, 1.0);
            for p in MACHINES {
                check(p, step.bytes, network);
                let own = step.passes / p as f64 + step.update + meeting(p, network);
                let (plain, ordered) = (own + ring(p, step.bytes, network), own + gather(p, step.bytes, network));
                println!(
                    "{p:>9} {:>8.3} ms {:>8.2} {:>8.3} ms {:>8.2}",
                    1e3 * plain,
                    alone / plain,
                    1e3 * ordered,
                    alone / ordered
                );
                if alone / plain > most {
                    (best, most) = (p, alone / plain);
                }
            }
            println!("fastest on {best}: {most:.1} times one machine");
        }
    }
    println!("\nformula and simulation agree");
}
