//! How checkpoints are stored on disk. A checkpoint is written into a hidden folder with a list of its files and their
//! checksums, synced to disk, and only then renamed: under its final name it is complete, whenever the process dies.

use super::{CheckpointError, Checkpoints};
use crate::io::{IoError, Source, StateDict, write_atomically};
use flate2::{Crc, CrcReader};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The file that lists the other files.
const LIST: &str = "checkpoint.txt";
/// The first line of the list.
const TITLE: &str = "wengert checkpoint 1";
/// The name of a checkpoint folder, without its number.
pub(super) const NAME: &str = "checkpoint-";
/// The name of the file format in read errors.
const FORMAT: &str = "checkpoint";
/// An upper bound on the length of the list; real lists are far shorter.
const LONGEST_LIST: u64 = 4096;

/// The contents of a checkpoint.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::train) struct Files {
    /// Everything except weights.
    pub training: StateDict,
    /// The weights.
    pub model: StateDict,
    /// The weights of the best epoch.
    pub best: StateDict,
}

/// Identifies the contents of a file: its CRC-32 and its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    sum: u32,
    length: u64,
}

const TRAINING: &str = "training.safetensors";
const MODEL: &str = "model.safetensors";
const BEST: &str = "best.safetensors";

impl Files {
    /// Each file with its name; the best weights only if there are any.
    fn named(&self) -> impl Iterator<Item = (&'static str, &StateDict)> {
        let best = Some((BEST, &self.best)).filter(|(_, best)| !best.is_empty());
        [(TRAINING, &self.training), (MODEL, &self.model)].into_iter().chain(best)
    }
}

impl Checkpoints {
    /// Writes a new checkpoint, and removes the oldest ones beyond `keep`.
    pub(in crate::train) fn write(&self, files: &Files) -> Result<(), CheckpointError> {
        let new = |problem| failed("write", &self.folder, problem);
        fs::create_dir_all(&self.folder).map_err(new)?;
        self.remove_leftovers();
        let older = numbered(&self.folder)?;
        let number = older.first().map_or(1, |(number, _)| number + 1);
        let hidden = self.folder.join(format!(".{NAME}{number:06}.tmp"));
        fs::create_dir(&hidden).map_err(|problem| failed("write", &hidden, problem))?;
        let mut list = format!("{TITLE}\n");
        for (name, dict) in files.named() {
            let path = hidden.join(name);
            dict.write(&path)?;
            let Fingerprint { sum, length } = fingerprint(&path, Source::open(&path, FORMAT)?)?;
            list += &format!("{sum:08x} {length} {name}\n");
        }
        let list = format!("{list}{:08x} end\n", sum_of(list.as_bytes()));
        write_atomically(hidden.join(LIST), |w| w.write_all(list.as_bytes()))?;
        let named = self.folder.join(format!("{NAME}{number:06}"));
        fs::rename(&hidden, &named).and_then(|()| sync(&self.folder)).map_err(|p| failed("write", &named, p))?;
        self.remove(older.into_iter().skip(self.keep - 1))
    }

    /// Removes the oldest checkpoints beyond `keep`, counted from the one that training resumed from: a process that
    /// dies between writing a checkpoint and removing the oldest leaves one more. The caller holds the
    /// [lock](super::lock).
    pub(in crate::train) fn prune(&self, resumed: &Path) -> Result<(), CheckpointError> {
        let all = numbered(&self.folder)?.into_iter();
        self.remove(all.skip_while(|(_, path)| path != resumed).skip(self.keep))
    }

    fn remove(&self, old: impl Iterator<Item = (u64, PathBuf)>) -> Result<(), CheckpointError> {
        for (_, old) in old {
            // A checkpoint under its final name must be complete, so rename it before deleting its files.
            let gone = old.with_file_name(format!(".{}.old", old.file_name().unwrap_or_default().to_string_lossy()));
            fs::rename(&old, &gone).map_err(|problem| failed("remove", &old, problem))?;
        }
        self.remove_leftovers();
        Ok(())
    }

    /// Removes leftovers of processes that died while writing or removing a checkpoint. Failing to remove a folder is
    /// not an error: nothing reads folders with such names. The caller holds the [lock](super::lock).
    pub(super) fn remove_leftovers(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!(".{NAME}"))) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The newest complete checkpoint in a folder with its path, and what is wrong with newer ones. `None` if there are no
/// checkpoints.
///
/// # Errors
/// If there are checkpoints but none is complete.
pub(in crate::train) fn newest(
    folder: &Path,
) -> Result<Option<(PathBuf, Files, Vec<CheckpointError>)>, CheckpointError> {
    let mut damaged = Vec::new();
    for (_, path) in numbered(folder)? {
        match read(&path) {
            Ok(files) => return Ok(Some((path, files, damaged))),
            Err(error) => damaged.push(error),
        }
    }
    let checkpoints = damaged.len();
    let Some(newest) = damaged.into_iter().next() else { return Ok(None) };
    Err(CheckpointError::NoneComplete { folder: folder.into(), checkpoints, newest: Box::new(newest) })
}

/// All checkpoints with their numbers, newest first. A folder that does not exist has none.
pub(super) fn numbered(folder: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", folder, error)),
    };
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix(NAME)?.parse().ok();
    let paths = entries.flatten().map(|entry| entry.path());
    let mut all: Vec<(u64, PathBuf)> = paths.filter_map(|path| Some((number(&path)?, path))).collect();
    all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    Ok(all)
}

/// Reads a checkpoint and verifies that its files are what was written.
fn read(path: &Path) -> Result<Files, CheckpointError> {
    let listed = listed(&path.join(LIST))?;
    let mut files = Files::default();
    for (name, into) in [(TRAINING, &mut files.training), (MODEL, &mut files.model), (BEST, &mut files.best)] {
        let file = path.join(name);
        match listed.iter().find(|(other, _)| other == name) {
            Some((_, expected)) => {
                check(&file, *expected)?;
                *into = StateDict::read(&file)?;
            }
            None if name == BEST => {}
            None => return Err(damaged(&path.join(LIST), format!("the list does not contain {name}"))),
        }
    }
    Ok(files)
}

/// Verifies that a file is what was written: its length before reading anything, then its checksum.
fn check(path: &Path, Fingerprint { sum, length }: Fingerprint) -> Result<(), CheckpointError> {
    let file = Source::open(path, FORMAT)?;
    if file.left() != length {
        return Err(damaged(path, format!("it has {} bytes, but {length} were written", file.left())));
    }
    match fingerprint(path, file)?.sum {
        found if found == sum => Ok(()),
        found => {
            Err(damaged(path, format!("its {length} bytes have checksum {found:08x}, but {sum:08x} was recorded")))
        }
    }
}

/// Parses and verifies the list of files.
fn listed(path: &Path) -> Result<Vec<(String, Fingerprint)>, CheckpointError> {
    let mut file = Source::open(path, FORMAT)?;
    let text = file.vec(file.left().min(LONGEST_LIST))?;
    let fault = |at: usize| damaged(path, format!("line {} is not valid in a list of files", at + 1));
    let text = str::from_utf8(&text).map_err(|_| fault(0))?;
    let lines: Vec<&str> = text.lines().collect();
    let [TITLE, files @ .., end] = &lines[..] else { return Err(fault(0)) };
    let body = text.len() - end.len() - 1;
    if *end != format!("{:08x} end", sum_of(&text.as_bytes()[..body])) || !text.ends_with('\n') {
        return Err(damaged(path, "the list is damaged: its own checksum does not match".into()));
    }
    let entry = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (sum, length, name) = (words.next()?, words.next()?, words.next()?);
        let (sum, length) = (u32::from_str_radix(sum, 16).ok()?, length.parse().ok()?);
        Some((name.to_owned(), Fingerprint { sum, length }))
    };
    files.iter().enumerate().map(|(i, line)| entry(line).ok_or_else(|| fault(i + 1))).collect()
}

fn fingerprint(path: &Path, file: Source<File>) -> Result<Fingerprint, CheckpointError> {
    let mut bytes = CrcReader::new(file.into_file());
    let length = io::copy(&mut bytes, &mut io::sink()).map_err(|problem| failed("read", path, problem))?;
    Ok(Fingerprint { sum: bytes.crc().sum(), length })
}

fn sum_of(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Syncs the folder's directory entries to disk. Only Unix can open folders.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

pub(super) fn failed(action: &'static str, path: &Path, source: io::Error) -> CheckpointError {
    IoError::Io { action, path: path.into(), source }.into()
}

fn damaged(path: &Path, problem: String) -> CheckpointError {
    CheckpointError::Damaged { path: path.into(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::fresh_folder;
    use autograd::tensor;

    fn folder(name: &str) -> PathBuf {
        fresh_folder(&format!("checkpoint-{name}"))
    }

    fn files(number: i64) -> Files {
        let dict = |names: &[&str]| {
            let mut dict = StateDict::new();
            names.iter().for_each(|name| drop(dict.insert(*name, tensor![number, 2 * number])));
            dict
        };
        Files { training: dict(&["a", "b"]), model: dict(&["w"]), best: dict(&["w"]) }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_last_ones_stay_and_nothing_else() {
        let folder = folder("last");
        let checkpoints = Checkpoints::new(&folder).keep(2);
        assert!(newest(&folder).unwrap().is_none());
        for number in 1..6 {
            // As a process that dies while writing or removing leaves it.
            fs::create_dir_all(folder.join(format!(".checkpoint-00000{number}.tmp/half"))).unwrap();
            checkpoints.write(&files(number)).unwrap();
            let (path, found, damaged) = newest(&folder).unwrap().unwrap();
            assert_eq!((path, found), (folder.join(format!("checkpoint-00000{number}")), files(number)));
            assert!(damaged.is_empty());
        }
        assert_eq!(names(&folder), ["checkpoint-000004", "checkpoint-000005"]);
        fs::remove_dir_all(folder).unwrap();
    }

    /// Processes that die one after another between writing a checkpoint and removing the oldest leave too many.
    #[test]
    fn those_that_dead_processes_left_are_removed() {
        let folder = folder("prune");
        let checkpoints = Checkpoints::new(&folder).keep(2);
        (1..6).for_each(|number| Checkpoints::new(&folder).keep(9).write(&files(number)).unwrap());
        let at = |number: u64| folder.join(format!("checkpoint-00000{number}"));
        // The fifth is damaged, so that training resumes from the fourth.
        fs::remove_file(at(5).join(MODEL)).unwrap();
        checkpoints.prune(&at(4)).unwrap();
        assert_eq!(names(&folder), ["checkpoint-000003", "checkpoint-000004", "checkpoint-000005"]);
        checkpoints.prune(&at(5)).unwrap();
        assert_eq!(names(&folder), ["checkpoint-000004", "checkpoint-000005"]);
        fs::remove_dir_all(folder).unwrap();
    }

    /// Reading a file that is not a regular file could block or never end.
    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_device_in_the_place_of_a_file_is_passed_over() {
        let folder = folder("pipe");
        let checkpoints = Checkpoints::new(&folder);
        (1..3).for_each(|number| checkpoints.write(&files(number)).unwrap());
        for name in [LIST, TRAINING, MODEL, BEST] {
            let path = folder.join("checkpoint-000002").join(name);
            let whole = fs::read(&path).unwrap();
            let stand_in = |make: &dyn Fn()| {
                fs::remove_file(&path).unwrap();
                make();
                let (at, found, damaged) = newest(&folder).unwrap().unwrap();
                assert!(at.ends_with("checkpoint-000001") && found == files(1), "{name}");
                let said = damaged[0].to_string();
                assert!(said.contains(name) && said.contains("not a regular file"), "{said}");
            };
            stand_in(&|| assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success()));
            stand_in(&|| std::os::unix::fs::symlink("/dev/zero", &path).unwrap());
            fs::remove_file(&path).unwrap();
            fs::write(&path, whole).unwrap();
        }
        fs::remove_dir_all(folder).unwrap();
    }

    /// Every flipped byte and every truncation of every file is detected and named, and the checkpoint is skipped.
    #[test]
    fn a_damaged_checkpoint_is_passed_over() {
        let folder = folder("damaged");
        let checkpoints = Checkpoints::new(&folder);
        (1..3).for_each(|number| checkpoints.write(&files(number)).unwrap());
        let newer = folder.join("checkpoint-000002");
        for name in [LIST, TRAINING, MODEL, BEST] {
            let (path, whole) = (newer.join(name), fs::read(newer.join(name)).unwrap());
            let notices = |what: &str| {
                let (at, found, damaged) = newest(&folder).unwrap().unwrap();
                assert!(at.ends_with("checkpoint-000001") && found == files(1), "{name} {what}");
                let said = damaged[0].to_string();
                assert!(damaged.len() == 1 && said.contains("checkpoint-000002"), "{name} {what}: {said}");
                assert!(said.contains(name), "{name} {what}: {said}");
            };
            for at in 0..whole.len() {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << (at % 8);
                fs::write(&path, &flipped).unwrap();
                notices(&format!("flipped at {at}"));
                fs::write(&path, &whole[..at]).unwrap();
                notices(&format!("cut at {at}"));
            }
            fs::remove_file(&path).unwrap();
            notices("gone");
            fs::write(&path, &whole).unwrap();
            assert!(newest(&folder).unwrap().unwrap().2.is_empty());
        }
        for number in 1..3 {
            fs::write(folder.join(format!("checkpoint-00000{number}/{LIST}")), "something else\n").unwrap();
        }
        let said = newest(&folder).unwrap_err().to_string();
        assert!(said.contains("checkpoint-000002/checkpoint.txt: line 1"), "{said}");
        assert!(said.contains("; none of the 2 checkpoints in "), "{said}");
        assert!(
            said.ends_with(" is complete: restore one from a backup, or delete the folder to start over"),
            "{said}"
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
