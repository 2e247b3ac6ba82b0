//! One machine: booted, listened to, ended.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use anyhow::{Context, Result, bail};

use super::folder;
use super::kernels::Kernel;

/// A machine that says nothing for this long hangs.
const SILENCE: Duration = Duration::from_secs(300);

/// No machine runs longer.
const LIMIT: Duration = Duration::from_secs(3600);

/// An emulated machine has nothing to mitigate; what waits for others to leave (namespaces that go) need not be patient; and
/// the kernel's test of its timer fails, in a panic, when the host is busy just then.
const COMMAND_LINE: &str =
    "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off nokaslr rcupdate.rcu_expedited=1";

/// What the tests in a machine came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    passed: usize,
    failed: Vec<String>,
    /// Exit code of the tests; `None` when the machine ended before they did.
    exit: Option<i32>,
    /// What a daemon said that was started on a kernel too old for it.
    refusal: Option<String>,
}

impl Outcome {
    /// Everything passed; or, on a kernel that is not supported, meshlet said so.
    pub(crate) fn is_good(&self, supported: bool) -> bool {
        if !supported {
            return self.refusal.is_some();
        }
        self.refusal.is_none() && self.exit == Some(0) && self.failed.is_empty() && self.passed > 0
    }

    fn hear(&mut self, line: &str) {
        if let Some((name, verdict)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            match verdict.trim() {
                "ok" => self.passed += 1,
                _ => self.failed.push(name.to_owned()),
            }
        } else if let Some(code) = line.strip_prefix("vm-test: exit ") {
            self.exit = code.trim().parse().ok();
        } else if line.contains("is too old: meshlet needs Linux") {
            self.refusal = Some(line.trim().to_owned());
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(refusal) = &self.refusal {
            return write!(f, "refused: {refusal}");
        }
        write!(f, "{} passed, {} failed", self.passed, self.failed.len())?;
        self.failed.iter().try_for_each(|name| write!(f, "; {name}"))?;
        if self.exit.is_none() { f.write_str("; the machine ended before the tests did") } else { Ok(()) }
    }
}

/// Boots a kernel with an image and reads its console to the end; every line of the tests is printed with the kernel before it.
pub(crate) fn run(kernel: &Kernel, image: &Path) -> Result<Outcome> {
    let path = folder().join(format!("{}.log", kernel.version));
    let mut log = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let mut machine = boot(kernel, image)?;
    let console = machine.0.stdout.take().context("QEMU has no console")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(console).split(b'\n').map_while(Result::ok);
        lines.map(|line| String::from_utf8_lossy(&line).trim_end().to_owned()).try_for_each(|line| sender.send(line))
    });
    let (start, mut outcome) = (Instant::now(), Outcome::default());
    loop {
        if start.elapsed() > LIMIT {
            bail!("Linux {} has not ended after {} s; see {}", kernel.version, LIMIT.as_secs(), path.display());
        }
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                writeln!(log, "{line}")?;
                outcome.hear(&line);
                if line.starts_with("test ") || line.contains("panicked at") {
                    println!("[{}] {line}", kernel.version);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(outcome),
            Err(RecvTimeoutError::Timeout) => {
                bail!("Linux {} has been silent for {} s; see {}", kernel.version, SILENCE.as_secs(), path.display());
            }
        }
    }
}

/// Ends with us, however we end.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn boot(kernel: &Kernel, image: &Path) -> Result<Machine> {
    let mut qemu = Command::new("qemu-system-x86_64");
    // One CPU: another machine runs beside this one, and code for a single CPU needs no atomic operations, which are slow to emulate.
    qemu.args(["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "2048"]);
    qemu.args(["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"]);
    qemu.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(image);
    qemu.args(["-append", COMMAND_LINE]);
    let machine = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting QEMU")?;
    Ok(Machine(machine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_what_a_machine_prints_then_only_tests_that_passed_or_a_refusal_that_is_due_are_good() {
        let passed = ["test a ... ok", "test b ... ok", "vm-test: exit 0"];
        let failed = ["test a ... ok", "test b ... FAILED", "vm-test: exit 101"];
        let refused = ["meshlet: Linux 5.10 is too old: meshlet needs Linux 5.15 or newer"];
        for (lines, supported, good) in [
            (&passed[..], true, true),
            (&passed[..], false, false),
            (&passed[..2], true, false),
            (&passed[2..], true, false),
            (&failed[..], true, false),
            (&refused[..], true, false),
            (&refused[..], false, true),
            (&[], true, false),
            (&[], false, false),
        ] {
            let mut outcome = Outcome::default();
            lines.iter().for_each(|line| outcome.hear(line));
            assert_eq!(outcome.is_good(supported), good, "{lines:?} on a kernel supported: {supported}");
        }
    }
}
