//! Arrays that programs read while we write them: shared memory in words, no system call per change.

#![expect(unsafe_code, reason = "a BPF array is written through a shared mapping")]

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap};

/// A mapped BPF array, cell by cell of eight bytes; the kernel rounds a smaller value's cell up to that.
pub(super) struct Words {
    first: *const AtomicU64,
    count: usize,
}

// SAFETY: the mapping lives as long as the process and is only touched through atomics.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Maps the first `count` words of an array that was made mmap-able and is at least that large.
    pub(super) fn map(array: BorrowedFd<'_>, count: u32) -> io::Result<Self> {
        let count = usize::try_from(count).map_err(io::Error::other)?;
        let bytes = (count * size_of::<AtomicU64>()).next_multiple_of(rustix::param::page_size());
        // SAFETY: a fresh shared mapping that is never unmapped; nothing else in the process knows its address. The kernel
        // refuses to map past the array's last page.
        let first = unsafe {
            mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, array, 0)?
        };
        Ok(Self { first: first.cast(), count })
    }

    /// Memory of this process alone.
    #[cfg(test)]
    pub(super) fn own(count: u32) -> Self {
        let words: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { first: Box::leak(words.into_boxed_slice()).as_ptr(), count: usize::try_from(count).expect("a size") }
    }

    /// A word; past the end it is the last one, which no caller means.
    pub(super) fn at(&self, place: u32) -> &AtomicU64 {
        let place = usize::try_from(place).unwrap_or(usize::MAX).min(self.count - 1);
        // SAFETY: the place lies within the mapping, which is page-aligned, never unmapped and touched only through atomics.
        unsafe { &*self.first.add(place) }
    }
}
