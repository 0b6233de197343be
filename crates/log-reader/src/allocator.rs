//! glibc's allocator, told once what to do with large blocks.
//!
//! A broker's answer and what is decompressed of it are some hundred KiB to some MiB, and so is what a flush writes. glibc gives blocks of
//! 128 KiB and more pages of their own, which go back to the system when they are freed; but when the first of them is freed, it raises
//! that size to the block's, up to 32 MiB. From then on large blocks lie in the heap among small ones, and leave holes
//! there that nothing fits. Setting the size, though to the value that it has, keeps it: mallopt(3), M_MMAP_THRESHOLD.
#![allow(unsafe_code)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::ffi::c_int;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
unsafe extern "C" {
    fn mallopt(parameter: c_int, value: c_int) -> c_int;
}

/// Keeps large blocks out of the heap: a quarter less resident memory where many groups are counted (docs/performance.md).
///
/// To be called first in `main`. Does nothing where the operator has chosen a size (MALLOC_MMAP_THRESHOLD_), or the allocator is not glibc's.
pub fn keep_large_blocks_apart() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("MALLOC_MMAP_THRESHOLD_").is_none() {
        /// As malloc.h has them: the parameter's number, the size with which glibc begins.
        const M_MMAP_THRESHOLD: c_int = -3;
        const THRESHOLD_BYTES: c_int = 128 * 1024;
        // SAFETY: it takes two numbers, and its lock makes it safe beside other threads. It fails only for sizes
        // that glibc has no room for; then all is as before.
        unsafe { mallopt(M_MMAP_THRESHOLD, THRESHOLD_BYTES) };
    }
}
