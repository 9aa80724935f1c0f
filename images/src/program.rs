//! What can run from an image that has nothing but the program.

use anyhow::{Result, anyhow, bail, ensure};
use object::{
    Endianness,
    elf::{EM_X86_64, FileHeader64},
    read::elf::{FileHeader, ProgramHeader},
};

/// Checks that a program is for Linux on x86-64 and linked statically; `shown` is its path.
///
/// # Errors
/// It is not: the image would be built, and its container would not start.
pub fn check(shown: &str, program: &[u8]) -> Result<()> {
    let damaged = |error| anyhow!("{shown} is not a program in ELF's 64-bit format: {error}");
    let header = FileHeader64::<Endianness>::parse(program).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let machine = header.e_machine(endian);
    ensure!(
        machine == EM_X86_64,
        "{shown} is built for ELF machine {machine}, but images are for x86-64 ({EM_X86_64}): run make images"
    );
    for part in header.program_headers(endian, program).map_err(damaged)? {
        if let Some(loader) = part.interpreter(endian, program).map_err(damaged)? {
            bail!(
                "{shown} is linked dynamically: it needs the loader {}, and images have neither a loader nor libraries; run make \
                 images, which links it statically (RUSTFLAGS=\"-C target-feature=+crt-static\")",
                String::from_utf8_lossy(loader)
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: usize = 64;
    const PROGRAM_HEADER: usize = 56;
    const LOADER: &[u8] = b"/lib64/ld-linux-x86-64.so.2\0";

    /// The header of a program with one segment of this type, which names a loader.
    fn elf(machine: u16, segment: u32) -> Vec<u8> {
        let mut file = vec![0; HEADER + PROGRAM_HEADER];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        let place = (HEADER + PROGRAM_HEADER) as u64;
        // 64-bit, little endian, version 1; an executable; where the program headers are, their size and number.
        put(0, b"\x7fELF\x02\x01\x01");
        put(16, &2_u16.to_le_bytes());
        put(18, &machine.to_le_bytes());
        put(32, &(HEADER as u64).to_le_bytes());
        put(54, &(PROGRAM_HEADER as u16).to_le_bytes());
        put(56, &1_u16.to_le_bytes());
        // The segment: its type, and where its content is.
        put(HEADER, &segment.to_le_bytes());
        put(HEADER + 8, &place.to_le_bytes());
        put(HEADER + 32, &(LOADER.len() as u64).to_le_bytes());
        file.extend_from_slice(LOADER);
        file
    }

    fn refused(program: &[u8]) -> String {
        check("out/p", program).unwrap_err().to_string()
    }

    #[test]
    fn a_program_that_names_a_loader_is_refused_and_a_static_one_is_not() {
        let error = refused(&elf(EM_X86_64, object::elf::PT_INTERP));
        let expected =
            "out/p is linked dynamically: it needs the loader /lib64/ld-linux-x86-64.so.2, ";
        assert!(error.starts_with(expected), "{error}");
        check("out/p", &elf(EM_X86_64, object::elf::PT_LOAD)).unwrap();
    }

    #[test]
    fn a_program_for_another_machine_and_what_is_no_program_are_refused() {
        let error = refused(&elf(object::elf::EM_AARCH64, object::elf::PT_LOAD));
        assert!(
            error.starts_with("out/p is built for ELF machine 183, "),
            "{error}"
        );
        let cut = &elf(EM_X86_64, object::elf::PT_INTERP)[..HEADER + 8];
        for program in [b"#!/bin/sh\n".as_slice(), b"", cut] {
            let error = refused(program);
            assert!(
                error.starts_with("out/p is not a program in ELF's 64-bit format: "),
                "{error}"
            );
        }
    }
}
