//! Compiles the C side with the compiler wrapper of the installed MPI, which knows its headers and libraries, whichever MPI
//! it is. Without the feature `mpi`, nothing happens; without an MPI, the crate builds all the same and says so, here and
//! when a program starts.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(has_mpi)");
    println!("cargo::rerun-if-changed=src/shim.c");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=MPICC");
    if env::var_os("CARGO_FEATURE_MPI").is_none() {
        return;
    }
    let wrapper = env::var("MPICC").unwrap_or_else(|_| "mpicc".to_owned());
    match compile(&wrapper) {
        Ok(()) => println!("cargo::rustc-cfg=has_mpi"),
        Err(problem) => println!(
            "cargo::warning=MPI was not found, so programs are built without it: {problem}. Install it (on Debian: apt-get \
             install libopenmpi-dev openmpi-bin) or set MPICC to its compiler, and build again"
        ),
    }
}

fn compile(wrapper: &str) -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let (object, library) = (out.join("shim.o"), out.join("libwengert_mpi_shim.a"));
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(program).args(arguments).output();
        let output = output.map_err(|error| format!("{program} does not run: {error}"))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!("{program} fails: {}", String::from_utf8_lossy(&output.stderr).replace('\n', " "))),
        }
    };
    let compiled = ["-c", "-O2", "-fPIC", "src/shim.c", "-o"].map(std::ffi::OsStr::new);
    run(wrapper, &[&compiled[..], &[object.as_os_str()]].concat())?;
    run("ar", &["crs".as_ref(), library.as_os_str(), object.as_os_str()])?;
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static=wengert_mpi_shim");
    // What the wrapper would add to a link.
    for flag in run(wrapper, &["-show".as_ref()])?.split_whitespace() {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo::rustc-link-search=native={folder}");
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo::rustc-link-lib={library}");
        }
    }
    Ok(())
}
