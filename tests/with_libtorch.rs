//! `scripts/with-libtorch` in simulated systems: a `PATH` of stubs and a few real tools, no network, no package manager.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/with-libtorch");

/// A Python that has the PyTorch in `$SYSTEM/python-torch`, makes virtual environments if there is `$SYSTEM/venv`, and
/// whose pip installs if there is `$SYSTEM/network`. `-P` and other flags are no business of it.
const PYTHON: &str = r#"
echo "python3 $*" >>"$SYSTEM/log"
case "$*" in
    *find_spec*) [[ ! -e $SYSTEM/python-torch ]] || echo "$SYSTEM/python-torch" ;;
    *version_info*) [[ ! -e $SYSTEM/old-python ]] ;;
    --version) echo "Python 3.9.2" ;;
    *ensurepip*) [[ -e $SYSTEM/venv ]] ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *"-m pip install"*)
        [[ -e $SYSTEM/network ]] || { echo "ERROR: No matching distribution found" >&2; exit 1; }
        home=${0%/bin/python}
        torch=$home/lib/python3.11/site-packages/torch
        mkdir -p "$torch/lib" "$torch/include/torch"
        [[ ! -e $SYSTEM/kill-pip ]] || kill -9 $PPID
        touch "$torch/lib/libtorch.so"
        echo "__version__ = '2.11.0+cpu'" >"$torch/version.py" ;;
    *) exit 9 ;;
esac
"#;

/// A C compiler that links OpenBLAS if there is `$SYSTEM/openblas`.
const CC: &str = "[[ -e $SYSTEM/openblas ]]\n";

/// A package manager that knows its packages once updated, and then makes what they hold.
const APT_GET: &str = r#"
echo "apt-get $*" >>"$SYSTEM/log"
[[ ! -e $SYSTEM/no-mirror ]] || { echo "E: no mirror" >&2; exit 100; }
for word; do
    case $word in
        update) touch "$SYSTEM/lists" ;;
        install) [[ -e $SYSTEM/lists ]] || exit 100 ;;
        libopenblas-dev) touch "$SYSTEM/openblas" ;;
        python3-venv) touch "$SYSTEM/venv" ;;
        g++) cp "$SYSTEM/bin/cargo" "$SYSTEM/bin/c++" ;;
    esac
done
"#;

const CARGO: &str = r#"
if [[ ${1-} == --version ]]; then echo "cargo 1.${CARGO_MINOR:-89}.0 (x 2025-01-01)"; exit; fi
echo "LIBTORCH=${LIBTORCH-} CHOSEN=${LIBTORCH_USE_PYTORCH-} BYPASS=${LIBTORCH_BYPASS_VERSION_CHECK-} PATH_OF_RUN=${LD_LIBRARY_PATH-}"
exit 42
"#;

/// A file cannot be run while a process has it open for writing, and a process that is being started has open what its parent had: so no
/// stub is written while a process starts.
static STARTING: Mutex<()> = Mutex::new(());

fn start(command: &mut Command) -> Child {
    let _guard = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

fn output(command: &mut Command) -> Output {
    start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())).wait_with_output().unwrap()
}

/// A simulated system. As made: root, compilers, OpenBLAS, Python with venv and network, but no PyTorch.
struct System {
    folder: TempDir,
}

impl System {
    fn new() -> System {
        let system = System { folder: TempDir::new().unwrap() };
        fs::create_dir(system.path("bin")).unwrap();
        for tool in ["bash", "cat", "cp", "env", "head", "flock", "mkdir", "rm", "sed", "sleep", "touch"] {
            let found =
                ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(tool)).find(|path| path.exists());
            symlink(found.unwrap_or_else(|| panic!("no {tool}")), system.path("bin").join(tool)).unwrap();
        }
        for (name, text) in [
            ("python3", PYTHON),
            ("cc", CC),
            ("c++", CC),
            ("apt-get", APT_GET),
            ("cargo", CARGO),
            ("id", "echo ${USER_ID:-0}"),
        ] {
            system.stub(name, text);
        }
        for name in ["openblas", "venv", "network", "log"] {
            system.touch(name);
        }
        system
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn touch(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    fn stub(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        let _guard = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        fs::write(&path, format!("#!/usr/bin/env bash\n{text}")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// A folder like libtorch's, or like PyTorch's where `version_file` is `version.py`.
    fn libtorch(&self, name: &str, version_file: &str, text: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::create_dir_all(folder.join("include/torch")).unwrap();
        fs::write(folder.join("lib/libtorch.so"), "").unwrap();
        fs::write(folder.join(version_file), text).unwrap();
        folder
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/bin/bash");
        command.arg(SCRIPT).args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("PATH", self.path("bin")).env("HOME", self.path("home")).env("SYSTEM", self.folder.path());
        command
    }

    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        output(command.envs(variables.iter().copied()))
    }

    /// Runs `cargo test`, which must be reached, and returns what the stub of cargo said of its environment.
    fn cargo(&self, variables: &[(&str, &str)]) -> String {
        let output = self.run(variables, &["cargo", "test"]);
        assert_eq!(output.status.code(), Some(42), "the exit status is the command's: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs `cargo test`, which must not be reached, and returns what was said.
    fn failure(&self, variables: &[(&str, &str)]) -> String {
        let output = self.run(variables, &["cargo", "test"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
        text(&output.stderr)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

#[test]
fn libtorch_goes_before_everything_and_nothing_is_fetched() {
    let system = System::new();
    system.libtorch("python-torch", "version.py", "__version__ = '2.11.0'\n");
    let folder = system.libtorch("mine", "build-version", "2.11.0+cpu\n");
    let folder = folder.to_str().unwrap();
    let said = system.cargo(&[("LIBTORCH", folder), ("LIBTORCH_USE_PYTORCH", "1")]);
    assert_says(&said, &[&format!("LIBTORCH={folder} CHOSEN= BYPASS= PATH_OF_RUN={folder}/lib\n")]);
    assert_eq!(system.log(), "");
    // Relative to where the command runs; torch-sys builds elsewhere.
    assert_says(&system.cargo(&[("LIBTORCH", "mine")]), &[&format!("LIBTORCH={folder} ")]);
}

#[test]
fn a_wrong_libtorch_is_refused_with_the_cure() {
    let system = System::new();
    assert_says(&system.failure(&[("LIBTORCH", "/nowhere")]), &["/nowhere", "no folder", "unset it"]);
    let old = system.libtorch("old", "build-version", "2.4.1+cpu\n");
    let said = system.failure(&[("LIBTORCH", old.to_str().unwrap())]);
    assert_says(&said, &["libtorch 2.4.1+cpu is not 2.11.x", "unset it"]);
    fs::remove_dir_all(old.join("include")).unwrap();
    assert_says(&system.failure(&[("LIBTORCH", old.to_str().unwrap())]), &["no headers in"]);
    fs::remove_file(old.join("lib/libtorch.so")).unwrap();
    assert_says(&system.failure(&[("LIBTORCH", old.to_str().unwrap())]), &["old/lib/libtorch.so"]);
}

#[test]
fn a_later_patch_release_passes_torch_sys() {
    let system = System::new();
    let folder = system.libtorch("mine", "build-version", "2.11.1\n");
    assert_says(&system.cargo(&[("LIBTORCH", folder.to_str().unwrap())]), &["BYPASS=1"]);
}

#[test]
fn the_active_python_is_used_and_nothing_is_fetched() {
    let system = System::new();
    let folder = system.libtorch("python-torch", "version.py", "__version__ = '2.11.0+cu130'\ndebug = False\n");
    let said = system.cargo(&[("LD_LIBRARY_PATH", "/other"), ("LIBTORCH_LIB", "/stale")]);
    let folder = folder.display();
    assert_says(&said, &[&format!("LIBTORCH={folder} CHOSEN= BYPASS= PATH_OF_RUN={folder}/lib:/other\n")]);
    assert!(!system.log().contains("pip") && !system.path("home").exists(), "{}", system.log());
}

#[test]
fn a_chosen_python_keeps_the_environment_that_torch_sys_reads() {
    let system = System::new();
    let folder = system.libtorch("python-torch", "version.py", "__version__ = '2.11.0+cu130'\n");
    let said = system.cargo(&[("LIBTORCH_USE_PYTORCH", "1")]);
    assert_says(&said, &[&format!("LIBTORCH= CHOSEN=1 BYPASS= PATH_OF_RUN={}/lib\n", folder.display())]);
}

#[test]
fn a_chosen_python_that_does_not_do_is_an_error() {
    let system = System::new();
    let chosen = [("LIBTORCH_USE_PYTORCH", "1")];
    assert_says(&system.failure(&chosen), &["has no PyTorch", "pip install torch==2.11.0"]);
    system.libtorch("python-torch", "version.py", "__version__ = '2.9.0+cu130'\n");
    assert_says(&system.failure(&chosen), &["libtorch 2.9.0+cu130 is not 2.11.x", "pip install torch==2.11.0"]);
    // torch-sys runs `python` inside a virtual environment.
    let said = system.failure(&[("LIBTORCH_USE_PYTORCH", "1"), ("VIRTUAL_ENV", "/env")]);
    assert_says(&said, &["there is no python:"]);
    system.remove("bin/python3");
    assert_says(&system.failure(&chosen), &["there is no python3"]);
}

#[test]
fn pytorch_is_installed_once_where_there_is_none() {
    let system = System::new();
    // One that does not fit is named, not used.
    system.libtorch("python-torch", "version.py", "__version__ = '2.12.0'\n");
    let folder = system.path("home/.cache/isogloss/torch-2.11.0/lib/python3.11/site-packages/torch");
    for _ in 0..2 {
        let output = system.run(&[], &["cargo", "test"]);
        assert_says(&text(&output.stdout), &[&format!("LIBTORCH={}", folder.display())]);
        assert_says(&text(&output.stderr), &["libtorch 2.12.0 is not 2.11.x"]);
    }
    assert_eq!(system.log().matches("pip install").count(), 1);
    let cache = system.path("other cache");
    system.cargo(&[("XDG_CACHE_HOME", cache.to_str().unwrap())]);
    assert!(cache.join("isogloss/torch-2.11.0/complete").exists());
}

#[test]
fn two_at_once_install_once() {
    let system = System::new();
    let start = || start(system.command(&["cargo", "test"]).stdout(Stdio::null()).stderr(Stdio::null()));
    let mut both = [start(), start()];
    for child in &mut both {
        assert_eq!(child.wait().unwrap().code(), Some(42));
    }
    assert_eq!(system.log().matches("pip install").count(), 1, "{}", system.log());
}

#[test]
fn an_interrupted_installation_is_done_again() {
    let system = System::new();
    system.touch("kill-pip");
    let output = system.run(&[], &["cargo", "test"]);
    assert_eq!(output.status.code(), None, "killed by a signal");
    assert!(system.path("home/.cache/isogloss/torch-2.11.0/lib").exists());
    system.remove("kill-pip");
    system.cargo(&[]);
    assert_eq!(system.log().matches("pip install").count(), 2);
}

#[test]
fn each_failure_of_the_installation_names_its_cure() {
    let system = System::new();
    system.remove("network");
    let said = system.failure(&[]);
    assert_says(
        &said,
        &["No matching distribution", "pip cannot install torch==2.11.0", "Without network: set LIBTORCH"],
    );
    system.touch("old-python");
    assert_says(&system.failure(&[]), &["Python 3.9.2 does not do", "Python 3.10 or later"]);
    fs::write(system.path("file"), "").unwrap();
    system.remove("old-python");
    let file = system.path("file");
    assert_says(
        &system.failure(&[("XDG_CACHE_HOME", file.to_str().unwrap())]),
        &["cannot be written", "set XDG_CACHE_HOME"],
    );
    let output = output(system.command(&["cargo", "test"]).env_remove("HOME"));
    assert_says(&text(&output.stderr), &["neither HOME nor XDG_CACHE_HOME is set"]);
    system.remove("bin/python3");
    assert_says(&system.failure(&[]), &["there is no python3", "apt-get install python3 python3-venv", "LIBTORCH"]);
}

#[test]
fn what_the_system_lacks_is_installed_as_root() {
    let system = System::new();
    system.remove("openblas");
    system.remove("venv");
    system.remove("bin/c++");
    system.cargo(&[]);
    assert_says(&system.log(), &["--no-install-recommends g++ libopenblas-dev python3-venv\n", " update\n"]);
}

#[test]
fn what_may_not_be_installed_is_an_error_that_names_the_packages() {
    let system = System::new();
    system.remove("openblas");
    let user = [("USER_ID", "1000")];
    assert_says(&system.failure(&user), &["no permission to run apt-get", "sudo apt-get install libopenblas-dev"]);
    system.stub("sudo", "exit 1");
    assert_says(&system.failure(&user), &["no permission to run apt-get", "sudo apt-get install libopenblas-dev"]);
    system.touch("no-mirror");
    assert_says(&system.failure(&[]), &["E: no mirror", "apt-get fails", "libopenblas-dev"]);
    system.remove("no-mirror");
    system.stub("sudo", "[[ $1 == -n ]] && shift && \"$@\"");
    system.cargo(&user);
    system.remove("openblas");
    system.remove("bin/apt-get");
    assert_says(&system.failure(&[]), &["there is no apt-get", "libopenblas-dev"]);
    system.stub("apt-get", "exit 0");
    assert_says(&system.failure(&[]), &["libopenblas-dev does not do what is needed"]);
}

#[test]
fn without_default_features_nothing_is_needed() {
    let system = System::new();
    for name in ["openblas", "venv", "network", "bin/python3", "bin/c++", "bin/apt-get"] {
        system.remove(name);
    }
    for arguments in [
        &["cargo", "test", "--no-default-features"][..],
        &["cargo", "run", "--no-default-features", "--features", "plots", "--", "--features", "torch"],
        &["cargo", "test", "--no-default-features", "-Fplots"],
        &["cargo", "test", "--no-default-features", "--features", "hub"],
    ] {
        assert_eq!(system.run(&[], arguments).status.code(), Some(42), "{arguments:?}");
    }
    for arguments in [
        &["cargo", "test"][..],
        &["cargo", "test", "--no-default-features", "--features", "plots,torch"],
        &["cargo", "test", "--no-default-features", "--features=linalg"],
        &["cargo", "test", "--no-default-features", "-F", "isogloss/linalg"],
        &["cargo", "test", "--no-default-features", "--features", "unheard-of"],
        &["cargo", "test", "--no-default-features", "--all-features"],
        &["cargo", "run", "--", "--no-default-features"],
    ] {
        assert_eq!(system.run(&[], arguments).status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn the_command_must_be_there() {
    let system = System::new();
    let output = system.run(&[], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_says(&text(&output.stderr), &["usage: with-libtorch COMMAND"]);
    let output = system.run(&[], &["no-such-command"]);
    assert_eq!(output.status.code(), Some(127));
    assert_says(&text(&output.stderr), &["there is no command no-such-command"]);
    assert_says(&system.failure(&[("CARGO_MINOR", "88")]), &["cargo 1.88.0", "too old", "rustup.rs"]);
    system.remove("bin/cargo");
    let output = system.run(&[], &["cargo", "test"]);
    assert_eq!(output.status.code(), Some(127));
    assert_says(&text(&output.stderr), &["there is no cargo", "https://rustup.rs"]);
}
