//! Where tensors live: the processor, or a CUDA device.
//!
//! With a CUDA build of libtorch the linker drops `libtorch_cuda`, because no symbol of it is used: it works by
//! registering itself with libtorch when it is loaded. [`load_cuda`] loads it at run time, from beside the libtorch that
//! the process already uses. A link argument would not do: it does not reach the binaries of other crates.

use crate::{Error, Result};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tch::{Cuda, Device};

/// The device that `text` names: `cpu`, or `cuda:0`, `cuda:1`, ... (`cuda` is `cuda:0`).
///
/// # Errors
/// [`Error::Unknown`] if the text names no device; [`Error::Parameter`] if this process cannot use the CUDA device,
/// with what there is instead.
///
/// # Examples
/// ```
/// use isogloss::bloom::device;
/// assert_eq!(device::parse("cpu")?, tch::Device::Cpu);
/// # Ok::<(), isogloss::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Device> {
    let device = named(text)?;
    let Device::Cuda(index) = device else { return Ok(device) };
    load_cuda();
    let devices = if Cuda::is_available() { usize::try_from(Cuda::device_count()).unwrap_or(0) } else { 0 };
    if index < devices {
        return Ok(device);
    }
    let there_is = match devices {
        0 => format!("`cpu`: {}", why_no_cuda()),
        1 => "`cpu` or `cuda:0`: there is one CUDA device".to_owned(),
        n => format!("`cpu` or `cuda:0` to `cuda:{}`: there are {n} CUDA devices", n - 1),
    };
    Err(Error::parameter("device", there_is, format!("`{text}`")))
}

/// As [`parse`], of a device that this machine need not have.
///
/// # Errors
/// [`Error::Unknown`] if the text names no device.
pub fn named(text: &str) -> Result<Device> {
    let index = match text {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => text.strip_prefix("cuda:").and_then(parse_index),
    };
    let unknown = || Error::unknown("device", text, "`cpu` or `cuda:N`, N counted from 0");
    index.map(Device::Cuda).ok_or_else(unknown)
}

/// A device's index: digits alone, so neither `+1` nor ` 1`.
fn parse_index(digits: &str) -> Option<usize> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// What became of `libtorch_cuda`, the same for the life of the process.
#[derive(Debug)]
enum CudaLibrary {
    /// Loaded, or already in the process.
    Loaded,
    /// The libtorch in use has none beside it: a build for processors alone.
    Absent,
    /// It is there and cannot be loaded.
    Failed { path: PathBuf, reason: String },
}

static CUDA_LIBRARY: OnceLock<CudaLibrary> = OnceLock::new();

/// Loads `libtorch_cuda` from beside the libtorch in use, once in a process; without it a CUDA build of libtorch finds no GPU.
///
/// [`parse`] and the loading of a model call it; call it yourself before you make a `tch::Device::Cuda` or ask
/// `tch::Cuda::is_available()`. It never fails: with a libtorch built for processors alone there is nothing to load, and a
/// library that is there but cannot be loaded is a warning in the log and the reason in the error of [`parse`]. On
/// systems other than Linux, where libtorch's place in the process is not looked up, it does nothing.
pub fn load_cuda() {
    cuda_library();
}

fn cuda_library() -> &'static CudaLibrary {
    CUDA_LIBRARY.get_or_init(|| {
        // A call into libtorch: without one, the linker may drop libtorch itself from a binary that uses nothing else of it.
        tch::get_num_threads();
        let Some(path) = libtorch_folder().map(|folder| folder.join("libtorch_cuda.so")).filter(|path| path.exists())
        else {
            return CudaLibrary::Absent;
        };
        // SAFETY: its initialisers only register kernels and hooks with the libtorch of the same build in the same folder.
        match unsafe { libloading::Library::new(&path) } {
            Ok(library) => {
                // libtorch keeps pointers into it, so it stays for good.
                std::mem::forget(library);
                tracing::debug!(path = %path.display(), "libtorch_cuda loaded");
                CudaLibrary::Loaded
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "libtorch_cuda cannot be loaded: no GPU will be found");
                CudaLibrary::Failed { path, reason: error.to_string() }
            }
        }
    })
}

/// The reason, as the user can act on it, that this process has no CUDA device.
fn why_no_cuda() -> String {
    match cuda_library() {
        CudaLibrary::Loaded => {
            "libtorch finds no CUDA device on this machine (is there a GPU, and does nvidia-smi show it?)".to_owned()
        }
        CudaLibrary::Absent => {
            "this libtorch is built for processors alone; see docs/setup.md for GPU builds".to_owned()
        }
        CudaLibrary::Failed { path, reason } => format!("{} cannot be loaded: {reason}", path.display()),
    }
}

/// The folder of the libtorch that this process has mapped, `None` if there is none or the system does not say.
fn libtorch_folder() -> Option<PathBuf> {
    folder_of(&fs::read("/proc/self/maps").ok()?, "libtorch_cpu.so")
}

/// The folder of the first mapped file called `name` in the text of `/proc/self/maps`, whose lines are `address
/// permissions offset device inode path`. Paths may hold spaces and need not be UTF-8.
fn folder_of(maps: &[u8], name: &str) -> Option<PathBuf> {
    maps.split(|&byte| byte == b'\n').find_map(|line| {
        let start = line.iter().position(|&byte| byte == b'/')?;
        let path = Path::new(OsStr::from_bytes(line.get(start..)?));
        (path.file_name()? == name).then(|| path.parent().map(Path::to_path_buf))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_always_there() {
        assert_eq!(parse("cpu").unwrap(), Device::Cpu);
    }

    #[test]
    fn other_words_name_no_device() {
        for text in
            ["", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda: 1", "cuda:99999999999999999999999"]
        {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, Error::Unknown { .. }), "{text}: {error}");
            assert!(error.to_string().contains("`cpu` or `cuda:N`"), "{error}");
        }
    }

    #[test]
    fn a_device_beyond_those_there_is_an_error_that_says_what_there_is() {
        let error = parse("cuda:4096").unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }), "{error}");
        assert!(error.to_string().starts_with("device should be `cpu`"), "{error}");
        assert!(error.to_string().ends_with("but is `cuda:4096`"), "{error}");
    }

    #[test]
    fn cuda_library_is_loaded_exactly_where_it_lies_beside_libtorch() {
        load_cuda();
        load_cuda();
        let folder = libtorch_folder().expect("libtorch is linked into this test");
        let maps = fs::read("/proc/self/maps").unwrap();
        let loaded = folder_of(&maps, "libtorch_cuda.so");
        assert_eq!(loaded, folder.join("libtorch_cuda.so").exists().then_some(folder));
    }

    #[test]
    fn maps_with_odd_paths_are_read() {
        let maps = b"7f00-7f01 r--p 00000000 00:00 0 \n\
            7f01-7f02 r-xp 00001000 fe:00 12   [vdso]\n\
            7f02-7f03 r-xp 00001000 fe:00 12   /usr/lib/libtorch_cpu.so.1\n\
            7f03-7f04 r-xp 00001000 fe:00 13   /home/a b/\xff/lib/libtorch_cpu.so\n";
        let folder = folder_of(maps, "libtorch_cpu.so").unwrap();
        assert_eq!(folder.as_os_str().as_bytes(), b"/home/a b/\xff/lib");
        assert_eq!(folder_of(maps, "libtorch.so"), None);
        assert_eq!(folder_of(b"", "libtorch_cpu.so"), None);
    }
}
