# The daily commands. Each is one plain command that works without `just`; CONTRIBUTING.md lists them side by side.

set positional-arguments

# List these commands
default:
    @"{{ just_executable() }}" --list --unsorted

# Check formatting and lints
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Run all tests
test:
    cargo test --workspace

# Run the property tests with 2,000 cases each
test-long:
    WENGERT_CASES=2000 cargo test --release -p wengert-autograd -p wengert-autograd-tests --test laws --test program

# Build the API reference; warnings are errors
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# Time whole steps: all of them, or those that match FILTER
bench *FILTER:
    cargo bench --bench steps -- "$@"

# Save a run of the benchmarks under NAME
bench-save NAME *FILTER:
    cargo bench --bench steps -- --save-baseline "$@"

# Compare with the run that was saved under NAME
bench-compare NAME *FILTER:
    cargo bench --bench steps -- --baseline "$@"

# Run everything that must pass before a change lands
ci:
    .ci/run

# Train the documented network on handwritten digits
mlp:
    cargo run --release --example mlp

# Compare the LLVM lines that each crate compiles to with their budget
lines:
    .ci/llvm-lines

# Check that loops use the registers they are compiled for (needs objdump)
wide:
    .ci/wide

# Show where the compiler asks for a new op
new-op:
    .ci/new-op

# Check the licenses, advisories and sources of all dependencies (needs cargo-deny)
deny:
    .ci/deny

# Rewrite docs/errors.md, which shows what users see of likely mistakes
errors:
    UPDATE=1 cargo test --test errors

# Rewrite the lists of the public interface in docs/api (needs nightly and cargo-public-api)
public-api:
    .ci/public-api --update

# List changes of the interface since a release (needs cargo-semver-checks)
semver *REVISION:
    .ci/semver "$@"

# Test the scalars on published crates
published:
    .ci/published

# Feed every reader with mutated files (needs nightly and cargo-fuzz)
fuzz *ARGUMENTS:
    .ci/fuzz "$@"

# Test the kernels under AddressSanitizer (needs nightly) and valgrind
sanitize:
    .ci/sanitize

# Train on several processes
mpi:
    .ci/mpi

# Run the model of the thread pool through every order of steps
loom:
    .ci/loom

# Build for ARM and compare its bits (needs Debian's packages)
aarch64:
    .ci/aarch64

# Break each derivative rule in turn and list the mutants that no test catches
mutants:
    python3 .ci/mutants.py

# Print the derivative table for docs/ops.md
table:
    cargo run --example derivative_table

# Check the workspace with the oldest supported Rust
msrv:
    .ci/msrv

# Draw the pictures of the book
pictures:
    cargo run --release --example draw_tape -- docs/pictures
    cargo run --release --example figures -- docs/pictures
    cargo run --release --example book_figures -- docs/pictures
    cargo run --release --example mlp -- docs/mlp-curve.svg
    cargo run --release --example family_trees -- --picture docs/family_trees.svg

# Build the book as a website (needs mdbook)
book:
    mdbook build docs

# Click through the pages of HTML in headless Chromium, if it is installed
browser:
    .ci/browser
