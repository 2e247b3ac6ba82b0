//! Where the running kernel keeps what the observers read of a socket: its BTF names every member of every structure, and where.
//!
//! aya reads BTF too, but does not say what it has found. Format: linux Documentation/bpf/btf.rst.

use anyhow::{Context as _, bail};
use meshlet_wire::Offsets;

const MAGIC: u32 = 0xeb9f;

/// Kinds of type (linux include/uapi/linux/btf.h).
const INT: u32 = 1;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const ENUM64: u32 = 19;

/// Finds the offsets in the kernel's BTF; an error names what is not there.
pub(super) fn offsets(btf: &[u8]) -> anyhow::Result<Offsets> {
    let types = Types::parse(btf).context("the kernel's BTF is cut short or of another format")?;
    let of = |structure: &str, member: &str| {
        types.offset(structure, member).with_context(|| format!("the kernel's BTF knows no {structure}.{member}"))
    };
    if of("sock", "__sk_common")? != 0 {
        bail!("the kernel's struct sock does not begin with its sock_common");
    }
    Ok(Offsets {
        family: of("sock_common", "skc_family")?,
        state: of("sock_common", "skc_state")?,
        peer_v4: of("sock_common", "skc_daddr")?,
        peer_v6: of("sock_common", "skc_v6_daddr")?,
        peer_port: of("sock_common", "skc_dport")?,
        flags: of("sock_common", "skc_flags")?,
        acked: of("tcp_sock", "bytes_acked")?,
        received: of("tcp_sock", "bytes_received")?,
        sent: of("tcp_sock", "bytes_sent")?,
        sent_again: of("tcp_sock", "bytes_retrans")?,
        rtt: of("tcp_sock", "srtt_us")?,
    })
}

/// All types, by their numbers.
struct Types<'b> {
    /// The sections of types and of strings.
    types: &'b [u8],
    strings: &'b [u8],
    /// Where each type begins; number 0 is void and has no place.
    begins: Vec<usize>,
}

/// The head of a type.
#[derive(Clone, Copy)]
struct Head {
    name: u32,
    kind: u32,
    /// How many members, parameters or the like follow.
    count: usize,
    /// Whether members share their word with the size of a bit field.
    bit_fields: bool,
}

const HEAD: usize = 12;
const MEMBER: usize = 12;

impl<'b> Types<'b> {
    fn parse(btf: &'b [u8]) -> Option<Self> {
        // Magic, version and flags; then the header's own length, and where the sections lie behind it.
        if word(btf, 0)? & 0xffff != MAGIC {
            return None;
        }
        let header = size(btf, 4)?;
        let section = |at: usize| {
            let begin = header.checked_add(size(btf, at)?)?;
            btf.get(begin..begin.checked_add(size(btf, at + 4)?)?)
        };
        let (types, strings) = (section(8)?, section(16)?);
        let (mut begins, mut at) = (vec![usize::MAX], 0);
        while at < types.len() {
            begins.push(at);
            at += HEAD + rest(head(types, at)?);
        }
        Some(Self { types, strings, begins })
    }

    /// Offset of a structure's member in bytes.
    fn offset(&self, structure: &str, member: &str) -> Option<u32> {
        let is_it = |at: &usize| {
            head(self.types, *at).is_some_and(|head| head.kind == STRUCT && self.is_named(head.name, structure))
        };
        let at = *self.begins.iter().skip(1).find(|at| is_it(at))?;
        Some(self.member(at, member)? / 8)
    }

    /// Offset in bits of a member of the structure or union there, also of one in an unnamed part of it.
    fn member(&self, at: usize, wanted: &str) -> Option<u32> {
        let owner = head(self.types, at)?;
        if !matches!(owner.kind, STRUCT | UNION) {
            return None;
        }
        for number in 0..owner.count {
            let member = at + HEAD + number * MEMBER;
            let (name, of, offset) =
                (word(self.types, member)?, size(self.types, member + 4)?, word(self.types, member + 8)?);
            let offset = if owner.bit_fields { offset & 0x00ff_ffff } else { offset };
            if self.is_named(name, wanted) {
                return Some(offset);
            }
            if name == 0
                && let Some(inner) = self.member(*self.begins.get(of)?, wanted)
            {
                return offset.checked_add(inner);
            }
        }
        None
    }

    fn is_named(&self, at: u32, name: &str) -> bool {
        let text = usize::try_from(at).ok().and_then(|at| self.strings.get(at..));
        text.and_then(|text| text.strip_prefix(name.as_bytes())).is_some_and(|rest| rest.first() == Some(&0))
    }
}

fn head(types: &[u8], at: usize) -> Option<Head> {
    let info = word(types, at + 4)?;
    let count = usize::try_from(info & 0xffff).ok()?;
    Some(Head { name: word(types, at)?, kind: info >> 24 & 0x1f, count, bit_fields: info >> 31 == 1 })
}

/// How many bytes follow the head.
fn rest(head: Head) -> usize {
    match head.kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * head.count,
        ENUM | FUNC_PROTO => 8 * head.count,
        _ => 0,
    }
}

/// A word in native byte order, which is that of the running kernel's BTF.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn size(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word(bytes, at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTR: u32 = 2;

    /// BTF as the kernel lays it out.
    #[derive(Default)]
    struct Written {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Written {
        fn name(&mut self, name: &str) -> u32 {
            let at = u32::try_from(self.strings.len()).expect("short");
            self.strings.extend(name.as_bytes());
            self.strings.push(0);
            if name.is_empty() { 0 } else { at }
        }

        /// A type: its head, and what follows in words.
        fn add(&mut self, kind: u32, bit_fields: bool, name: &str, count: u32, rest: &[u32]) {
            let head = [self.name(name), u32::from(bit_fields) << 31 | kind << 24 | count, 4];
            self.types.extend(head.iter().chain(rest).flat_map(|word| word.to_ne_bytes()));
        }

        /// A structure or union, with the name, type and offset in bits of each member.
        fn own(&mut self, kind: u32, bit_fields: bool, name: &str, members: &[(&str, u32, u32)]) {
            let mut rest = Vec::new();
            for (name, of, offset) in members {
                rest.extend([self.name(name), *of, *offset]);
            }
            self.add(kind, bit_fields, name, u32::try_from(members.len()).expect("few"), &rest);
        }

        fn bytes(self) -> Vec<u8> {
            let [types, strings] =
                [&self.types, &self.strings].map(|section| u32::try_from(section.len()).expect("short"));
            let header = [MAGIC | 1 << 16, 24, 0, types, types, strings];
            header.iter().flat_map(|word| word.to_ne_bytes()).chain(self.types).chain(self.strings).collect()
        }
    }

    /// Members of unnamed parts, bit fields, and every kind that is longer than its head.
    fn written() -> Vec<u8> {
        let mut btf = Written { strings: vec![0], ..Written::default() };
        btf.add(INT, false, "u32", 0, &[32]);
        btf.add(ENUM, false, "state", 2, &[0, 0, 0, 1]);
        btf.add(ARRAY, false, "", 0, &[1, 1, 4]);
        btf.add(PTR, false, "", 0, &[]);
        btf.add(FUNC_PROTO, false, "", 1, &[0, 1]);
        btf.add(ENUM64, false, "wide", 1, &[0, 1, 0]);
        btf.add(VAR, false, "a", 0, &[0]);
        btf.add(DECL_TAG, false, "tag", 0, &[0]);
        btf.add(DATASEC, false, ".data", 1, &[7, 0, 4]);
        btf.own(STRUCT, false, "", &[("skc_daddr", 1, 0), ("skc_rcv_saddr", 1, 32)]);
        btf.own(UNION, false, "", &[("skc_addrpair", 1, 0), ("", 10, 0)]);
        let common = [("", 11, 64), ("skc_family", 1, 128), ("skc_reuse", 1, 4 << 24 | 144), ("skc_state", 1, 152)];
        btf.own(STRUCT, true, "sock_common", &common);
        btf.own(STRUCT, false, "sock_common_2", &[("skc_dport", 1, 0)]);
        btf.bytes()
    }

    #[test]
    fn given_a_structure_then_its_members_are_found_also_in_unnamed_parts_and_beside_bit_fields() {
        let btf = written();
        let types = Types::parse(&btf).expect("whole");
        for (member, offset) in [
            ("skc_daddr", Some(8)),
            ("skc_rcv_saddr", Some(12)),
            ("skc_family", Some(16)),
            ("skc_state", Some(19)),
            ("skc_fam", None),
            ("skc_dport", None),
        ] {
            assert_eq!(types.offset("sock_common", member), offset, "{member}");
        }
        assert_eq!(types.offset("sock_common_2", "skc_dport"), Some(0));
        assert_eq!(types.offset("u32", "skc_family"), None);
    }

    #[test]
    fn given_btf_that_lacks_something_or_is_cut_short_then_the_error_says_so() {
        let error = |btf: &[u8]| format!("{:#}", offsets(btf).expect_err("not all is there"));
        assert_eq!(error(&written()), "the kernel's BTF knows no sock.__sk_common");
        let btf = written();
        for length in [0, 3, 20, 40, btf.len() - 1] {
            assert_eq!(error(&btf[..length]), "the kernel's BTF is cut short or of another format", "{length}");
        }
    }
}
