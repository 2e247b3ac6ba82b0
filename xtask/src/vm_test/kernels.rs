//! Debian's packaged kernels: found, fetched and unpacked, not installed. The machine's own package lists stay as they are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::process;

/// A series of kernels and the suite that carries its newest one.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    suite: &'static str,
    pub(crate) support: Support,
}

/// Whether meshlet runs on a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    /// It says that it does not.
    Refused,
    Supported,
    /// The oldest or the newest that is supported: what these two agree on is taken to hold between them.
    End,
}

/// From the oldest on.
pub(crate) const SERIES: [Series; 4] = [
    Series { name: "5.10", suite: "bullseye-security", support: Support::Refused },
    Series { name: "6.1", suite: "bookworm-security", support: Support::End },
    Series { name: "6.12", suite: "trixie-security", support: Support::Supported },
    Series { name: "newest", suite: "trixie-backports", support: Support::End },
];

const META: &str = "linux-image-cloud-amd64";

/// A kernel, unpacked.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Debian's version: `6.1.192-2`.
    pub(crate) version: String,
    /// The kernel's own release: `6.1.0-56-cloud-amd64`.
    pub(crate) release: String,
    /// Holds `boot` and `lib`.
    pub(crate) root: PathBuf,
    /// Whether meshlet runs on it; else it has to say that it does not.
    pub(crate) supported: bool,
}

impl Kernel {
    /// The image to boot; from 7.x on it lies beside the modules.
    pub(crate) fn image(&self) -> PathBuf {
        let boot = self.root.join(format!("boot/vmlinuz-{}", self.release));
        if boot.exists() { boot } else { self.modules().join("vmlinuz") }
    }

    /// Its modules.
    pub(crate) fn modules(&self) -> PathBuf {
        self.root.join(format!("lib/modules/{}", self.release))
    }
}

/// Brings the newest kernel of each series into a cache outside the tree.
pub(crate) fn fetch(wanted: &[&Series]) -> Result<Vec<Kernel>> {
    let cache = cache()?;
    let apt = Apt::new(&cache)?;
    wanted.iter().map(|series| apt.kernel(series, &cache)).collect()
}

fn cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let cache = base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("meshlet/kernels");
    fs::create_dir_all(&cache).with_context(|| format!("making {}", cache.display()))?;
    Ok(cache)
}

/// An apt of our own, with Debian's suites and nothing of the machine's state.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(cache: &Path) -> Result<Self> {
        let apt = Self { folder: cache.join("apt") };
        for folder in ["etc/sources.list.d", "etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache"] {
            fs::create_dir_all(apt.folder.join(folder)).with_context(|| format!("making {folder} of apt's"))?;
        }
        fs::write(apt.folder.join("status"), "")?;
        let (archive, security) = archives()?;
        let source = |series: &Series| {
            let archive = if series.suite.ends_with("-security") { &security } else { &archive };
            format!("deb [signed-by={KEYRING}] {archive} {} main\n", series.suite)
        };
        fs::write(apt.folder.join("etc/sources.list"), SERIES.iter().map(source).collect::<String>())?;
        process::run(apt.command("apt-get").args(["-q", "update"])).context("reading Debian's package lists")?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (key, folder) in [("Etc", "etc"), ("State", "state"), ("State::status", "status"), ("Cache", "cache")] {
            command.arg("-o").arg(format!("Dir::{key}={}", self.folder.join(folder).display()));
        }
        // Another user may not read our folder.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command
    }

    fn kernel(&self, series: &Series, cache: &Path) -> Result<Kernel> {
        let listed = process::read(self.command("apt-cache").args(["madison", META]))?;
        let of_suite = |line: &&str| line.contains(&format!(" {}/", series.suite));
        let line = listed.lines().find(of_suite).with_context(|| format!("{} has no {META}", series.suite))?;
        let version = line.split('|').nth(1).unwrap_or_default().trim().to_owned();
        let root = cache.join(&version);
        if !root.join("complete").exists() {
            self.unpack(&version, &root)?;
        }
        let release = fs::read_dir(root.join("lib/modules"))?.next().context("the packages hold no modules")??;
        let release = release.file_name().to_string_lossy().into_owned();
        Ok(Kernel { version, release, root, supported: series.support != Support::Refused })
    }

    /// Unpacks the image and what it is split into.
    fn unpack(&self, version: &str, root: &Path) -> Result<()> {
        let downloads = root.join("packages");
        fs::create_dir_all(&downloads).with_context(|| format!("making {}", downloads.display()))?;
        let (mut found, mut open) = (Vec::new(), vec![META.to_owned()]);
        while let Some(package) = open.pop() {
            let described = process::read(self.command("apt-cache").args(["show", &format!("{package}={version}")]))?;
            let depends = described.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
            let names = depends.split([',', '|']).filter_map(|one| one.split_whitespace().next());
            open.extend(names.filter(|name| is_kernel(name)).map(str::to_owned).filter(|name| !found.contains(name)));
            found.push(package);
        }
        found.sort();
        found.dedup();
        // The packages without a version in their name are empty, and not every mirror keeps them.
        let versioned =
            found.iter().filter(|package| names_version(package)).map(|package| format!("{package}={version}"));
        process::run(self.command("apt-get").current_dir(&downloads).args(["-q", "download"]).args(versioned))
            .with_context(|| format!("fetching Linux {version}"))?;
        for package in fs::read_dir(&downloads)? {
            process::run(Command::new("dpkg-deb").arg("-x").arg(package?.path()).arg(root))?;
        }
        let usr = root.join("usr/lib/modules");
        if usr.exists() {
            fs::create_dir_all(root.join("lib/modules"))?;
            process::run(Command::new("cp").arg("-a").arg(usr.join(".")).arg(root.join("lib/modules")))?;
        }
        fs::remove_dir_all(&downloads)?;
        fs::write(root.join("complete"), "")?;
        Ok(())
    }
}

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Packages that a kernel is split into.
fn is_kernel(package: &str) -> bool {
    ["linux-image-", "linux-modules-", "linux-binary-", "linux-base-"].iter().any(|prefix| package.starts_with(prefix))
}

fn names_version(package: &str) -> bool {
    package.split('-').nth(2).is_some_and(|part| part.starts_with(|first: char| first.is_ascii_digit()))
}

/// Debian's archive and its security archive, as this machine knows them, or as the environment says.
fn archives() -> Result<(String, String)> {
    let format = ["indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"];
    let listed = process::read(Command::new("apt-get").args(format))?;
    let known = |security: bool| {
        let of_line = |line: &str| {
            let (uri, release) = line.split_once(' ')?;
            let debian = uri.trim_end_matches('/').rsplit('/').next()?.starts_with("debian");
            (debian && release.contains("-security") == security).then(|| uri.to_owned())
        };
        listed.lines().find_map(of_line)
    };
    let archive = env::var("MESHLET_DEBIAN").ok().or_else(|| known(false));
    let security = env::var("MESHLET_DEBIAN_SECURITY").ok().or_else(|| known(true));
    let (Some(archive), Some(security)) = (archive, security) else {
        bail!(
            "this machine's apt knows no Debian archive: set MESHLET_DEBIAN and MESHLET_DEBIAN_SECURITY to the addresses of \
             a mirror and its security archive (and have {KEYRING}, package debian-archive-keyring)"
        );
    };
    Ok((archive, security))
}
