//! Saving replaces a file completely or not at all.

use super::{Folder, written};
use autograd::Tensor;
use nn::io::{StateDict, write_atomically};
use std::fs;
use std::io;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_writer_that_fails_leaves_the_old_file() {
    let folder = Folder::new("failing");
    let path = folder.file("weights");
    for kept in [0, 1, 100_000] {
        written(&path, b"old");
        let failed = write_atomically(&path, |w| {
            w.write_all(&vec![1; kept])?;
            Err(io::Error::other("the disk is full"))
        });
        let error = failed.unwrap_err().to_string();
        assert!(error.contains("the disk is full") && error.contains(path.to_str().unwrap()), "{error}");
        assert_eq!((fs::read(&path).unwrap(), folder.names()), (b"old".to_vec(), vec!["weights".to_owned()]));
    }
    write_atomically(&path, |w| w.write_all(b"new")).unwrap();
    assert_eq!((fs::read(&path).unwrap(), folder.names()), (b"new".to_vec(), vec!["weights".to_owned()]));
}

#[test]
fn a_writer_that_panics_leaves_the_old_file() {
    let folder = Folder::new("panicking");
    let path = folder.file("weights");
    written(&path, b"old");
    let save = || write_atomically(&path, |w| w.write_all(b"new").map(|()| panic!("a bug")));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(save)).is_err());
    assert_eq!((fs::read(&path).unwrap(), folder.names()), (b"old".to_vec(), vec!["weights".to_owned()]));
}

#[test]
fn where_no_file_can_be() {
    let folder = Folder::new("nowhere");
    for path in [folder.file("no/such/folder"), folder.0.clone(), "/".into(), "".into()] {
        assert!(write_atomically(&path, |w| w.write_all(b"new")).is_err(), "{}", path.display());
    }
    assert!(folder.names().is_empty());
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let folder = Folder::new("link");
    let (path, link) = (folder.file("weights"), folder.file("latest"));
    written(&path, b"old");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    write_atomically(&link, |w| w.write_all(b"new")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

/// Kills a process that saves one dictionary after another at any moment: the file is always one of them, complete. The
/// process is this test itself; an environment variable tells it where to save.
#[test]
fn a_killed_process_leaves_a_whole_file() {
    const PATH: &str = "NN_TEST_SAVE_FOREVER";
    let dict = |i: i64| {
        let mut dict = StateDict::new();
        dict.insert("numbers", Tensor::full(&[200_000], i));
        dict
    };
    if let Ok(path) = std::env::var(PATH) {
        for i in 0.. {
            dict(i).write(&path).unwrap();
        }
    }
    let folder = Folder::new("killed");
    let path = folder.file("state.safetensors");
    dict(-1).write(&path).unwrap();
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "atomic::a_killed_process_leaves_a_whole_file"])
            .env(PATH, &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(20 + 7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = StateDict::read(&path).expect("a complete file");
        let first = found.get("numbers").and_then(|t| t.get::<i64>()).unwrap().at(&[0]);
        assert_eq!(found, dict(first));
    }
    let left = folder.names().len();
    dict(0).write(&path).unwrap();
    assert!(left <= 2 && folder.names() == ["state.safetensors"], "{:?}", folder.names());
}
