//! For tests: a stand-in for the handler, which takes minutes to build.

/// The smallest executable for Linux on x86-64: a header without code.
pub fn executable() -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01"); // 64 bits, little-endian, version 1
    header[16] = 2; // e_type: EXEC
    header[18] = 62; // e_machine: X86_64
    header[20] = 1; // e_version
    header[52] = 64; // e_ehsize
    header[54] = 56; // e_phentsize
    header[58] = 64; // e_shentsize
    header
}
