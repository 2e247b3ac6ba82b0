//! The few calls that aya 0.14 and rustix lack.

#![expect(unsafe_code, reason = "bpf(2) and one getsockopt have no safe wrapper in the crates used")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

// linux include/uapi/linux/bpf.h, enum bpf_cmd
const BPF_OBJ_GET: i64 = 7;
const BPF_OBJ_GET_INFO_BY_FD: i64 = 15;
const BPF_PROG_QUERY: i64 = 16;
const BPF_LINK_CREATE: i64 = 28;
const BPF_LINK_UPDATE: i64 = 29;
const BPF_ITER_CREATE: i64 = 33;
const BPF_LINK_DETACH: i64 = 34;
// linux include/uapi/linux/bpf.h, enum bpf_attach_type
const BPF_TRACE_ITER: u32 = 28;
// linux include/uapi/asm-generic/socket.h
const SO_NETNS_COOKIE: i32 = 71;

/// `bpf(cmd, attr)`; returns what the call returned.
fn bpf<T>(command: i64, attributes: &mut T) -> io::Result<i64> {
    // SAFETY: `attributes` is a live #[repr(C)] value, given with its true size; the kernel checks what lies past it.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Opens a pinned object.
pub(super) fn object_get(path: &Path) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        pathname: u64,
        bpf_fd: u32,
        file_flags: u32,
    }
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = Attributes { pathname: path.as_ptr() as u64, bpf_fd: 0, file_flags: 0 };
    open(BPF_OBJ_GET, &mut attributes)
}

/// A call that returns a descriptor.
fn open<T>(command: i64, attributes: &mut T) -> io::Result<OwnedFd> {
    let fd = i32::try_from(bpf(command, attributes)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just returned this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Ties an iterator's program to the map that it goes over.
pub(super) fn link_iterator(program: BorrowedFd<'_>, map: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // linux include/uapi/linux/bpf.h, union bpf_iter_link_info with its `map` member
    #[repr(C)]
    struct Info {
        map_fd: i32,
    }
    #[repr(C)]
    struct Attributes {
        prog_fd: i32,
        target_fd: u32,
        attach_type: u32,
        flags: u32,
        iter_info: u64,
        iter_info_len: u32,
        rest: u32,
    }
    let info = Info { map_fd: map.as_raw_fd() };
    let mut attributes = Attributes {
        prog_fd: program.as_raw_fd(),
        target_fd: 0,
        attach_type: BPF_TRACE_ITER,
        flags: 0,
        iter_info: std::ptr::from_ref(&info) as u64,
        iter_info_len: 4,
        rest: 0,
    };
    open(BPF_LINK_CREATE, &mut attributes)
}

/// Begins one round of an iterator; what it tells is read to the end.
pub(super) fn iterator(link: BorrowedFd<'_>) -> io::Result<File> {
    #[repr(C)]
    struct Attributes {
        link_fd: i32,
        flags: u32,
    }
    open(BPF_ITER_CREATE, &mut Attributes { link_fd: link.as_raw_fd(), flags: 0 }).map(File::from)
}

/// Puts another program behind a link, atomically.
pub(super) fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attributes {
        link_fd: i32,
        new_prog_fd: i32,
        flags: u32,
        old_prog_fd: u32,
    }
    let mut attributes =
        Attributes { link_fd: link.as_raw_fd(), new_prog_fd: program.as_raw_fd(), flags: 0, old_prog_fd: 0 };
    bpf(BPF_LINK_UPDATE, &mut attributes).map(drop)
}

/// Detaches a link from its cgroup at once; the link itself lives on without effect.
pub(super) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attributes {
        link_fd: i32,
    }
    bpf(BPF_LINK_DETACH, &mut Attributes { link_fd: link.as_raw_fd() }).map(drop)
}

/// The cgroup a link is attached to; 0 once that cgroup is gone.
pub(super) fn link_cgroup(link: BorrowedFd<'_>) -> io::Result<u64> {
    // linux include/uapi/linux/bpf.h, struct bpf_link_info with its `cgroup` member
    #[repr(C)]
    struct Info {
        kind: u32,
        id: u32,
        prog_id: u32,
        padding: u32,
        cgroup_id: u64,
        attach_type: u32,
        rest: u32,
    }
    #[repr(C)]
    struct Attributes {
        bpf_fd: i32,
        info_len: u32,
        info: u64,
    }
    // SAFETY: integers only: all zeroes is a value.
    let mut info: Info = unsafe { zeroed() };
    let length = u32::try_from(size_of::<Info>()).map_err(io::Error::other)?;
    let mut attributes =
        Attributes { bpf_fd: link.as_raw_fd(), info_len: length, info: std::ptr::from_mut(&mut info) as u64 };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attributes)?;
    Ok(info.cgroup_id)
}

/// Programs of one attach type at one cgroup itself (not its parents): the flags they were attached with, and their ids in the
/// order they run in.
pub(super) fn attached(cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<(u32, Vec<u32>)> {
    #[repr(C)]
    struct Attributes {
        target_fd: i32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        prog_ids: u64,
        prog_cnt: u32,
        padding: u32,
        prog_attach_flags: u64,
        link_ids: u64,
        link_attach_flags: u64,
        revision: u64,
    }
    let mut ids = [0_u32; 64];
    // SAFETY: integers only: all zeroes is a value.
    let mut attributes: Attributes = unsafe { zeroed() };
    attributes.target_fd = cgroup.as_raw_fd();
    attributes.attach_type = attach_type;
    attributes.prog_ids = ids.as_mut_ptr() as u64;
    attributes.prog_cnt = 64;
    bpf(BPF_PROG_QUERY, &mut attributes)?;
    let count = usize::try_from(attributes.prog_cnt).map_err(io::Error::other)?;
    Ok((attributes.attach_flags, ids.into_iter().take(count).collect()))
}

/// The cookie of the network namespace that a socket belongs to (Linux 5.14).
pub(crate) fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut length = 8 as libc::socklen_t;
    // SAFETY: both out-pointers are live, and `length` is the size of what the first points to.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}
