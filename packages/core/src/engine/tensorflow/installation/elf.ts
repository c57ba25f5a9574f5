/**
 * Whether a file is a whole shared library of Linux: what the loader would only find out by dying of it. It maps the parts
 * that a library's header announces, and a process that touches a part beyond the file's end gets a bus error.
 *
 * Source: System V Application Binary Interface, chapters 4 and 5 (`Elf64_Ehdr`, `Elf64_Phdr`).
 */

/** The part of a file that has to be read: its header. */
export const elfHeaderLength = 64

/** By `process.arch`: the machine that a library has to be for (`e_machine`). */
const machines: { readonly [architecture: string]: number | undefined } = { x64: 62, arm64: 183 }

/**
 * What is wrong with a shared library, by its header and its size; `undefined` where nothing is.
 *
 * @param bytes the first {@link elfHeaderLength} bytes of the file, or all if there are less
 * @param size the size of the file, in bytes
 * @example
 * elfProblem(new TextEncoder().encode("<html>..."), 300) // => "it is not a shared library"
 */
export const elfProblem = (
  bytes: Uint8Array,
  size: number,
  architecture: string = process.arch
): string | undefined => {
  if (size === 0) return "it is empty"
  if (bytes.length < 4 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
    return "it is not a shared library"
  }
  if (bytes.length < elfHeaderLength) return `it ends after ${size} bytes, within its header`
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes[4] !== 2) return "it is for processors of 32 bits"
  if (bytes[5] !== 1) return "it is for processors of another byte order"
  const machine = machines[architecture]
  if (machine !== undefined && view.getUint16(18, true) !== machine) {
    return `it is for another processor than ${architecture}`
  }
  // The table of sections is the last part of a library that a linker writes.
  const end = Number(view.getBigUint64(40, true)) + view.getUint16(58, true) * view.getUint16(60, true)
  return end > size ? `it ends after ${size} of ${end} bytes` : undefined
}
