/**
 * Why a library does not load: by its header, and by the words of the loader.
 */
import * as fc from "fast-check"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { elfHeaderLength, elfProblem } from "../../../../packages/core/src/engine/tensorflow/installation/elf.ts"
import { loadError } from "../../../../packages/core/src/engine/tensorflow/installation/load.ts"

const addon = "/engines/lib/napi-v8/tfjs_binding.node"

describe("the loader's words", () => {
  it("name a library that is missing", () => {
    const missing = loadError("libtensorflow.so.2: cannot open shared object file: No such file or directory", addon)
    assert.deepInclude(missing, { _tag: "LibraryMissing", library: "libtensorflow.so.2", addon })
    assert.match(missing.message, /^the shared library libtensorflow\.so\.2 is missing, .* "effusion engine install/)
    // A library of the system's is not there for effusion to install.
    const system = loadError("libgomp.so.1: cannot open shared object file: No such file or directory", addon)
    assert.match(system.message, /libgomp\.so\.1 is missing, .*; install it with the system's package manager/)
  })

  it("name a library that is damaged, by its own path", () => {
    const through = "/engines/lib/napi-v8/../../deps/lib/libtensorflow_framework.so.2"
    for (
      const detail of [
        "file too short",
        "invalid ELF header",
        "undefined symbol: _ZN4llvm4Pass13releaseMemoryEv",
        "wrong ELF class: ELFCLASS32",
        "ELF load command past end of file"
      ]
    ) {
      assert.deepInclude(loadError(`${through}: ${detail}`, addon), {
        _tag: "LibraryDamaged",
        path: "/engines/deps/lib/libtensorflow_framework.so.2",
        detail
      })
    }
    assert.deepInclude(loadError(`Module did not self-register: '${addon}'.`, addon), {
      _tag: "LibraryDamaged",
      path: addon
    })
  })

  it("name what a system is too old for", () => {
    // tensorflow/tfjs#2809; glibc quotes so.
    const message = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by " +
      "/engines/lib/napi-v8/../../deps/lib/libtensorflow.so.2)"
    assert.deepInclude(loadError(message, addon), {
      _tag: "SystemTooOld",
      library: "libstdc++.so.6",
      version: "GLIBCXX_3.4.32",
      neededBy: "/engines/deps/lib/libtensorflow.so.2"
    })
    const libc = `/lib/x86_64-linux-gnu/libc.so.6: version \`GLIBC_2.38' not found (required by ${addon})`
    assert.deepInclude(loadError(libc, addon), { _tag: "SystemTooOld", library: "libc.so.6", version: "GLIBC_2.38" })
  })

  it("are told as they are where they are none of these", () => {
    assert.deepInclude(loadError("Exception creating TFE_Context\nat somewhere", addon), {
      _tag: "LoadingFailed",
      detail: "Exception creating TFE_Context"
    })
  })
})

/** A whole shared library of 64 bits, whatever this machine has. */
const library = (size: number): Uint8Array => {
  const bytes = new Uint8Array(elfHeaderLength)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  const view = new DataView(bytes.buffer)
  view.setUint16(18, 62, true)
  view.setBigUint64(40, BigInt(size - 2 * elfHeaderLength), true)
  view.setUint16(58, elfHeaderLength, true)
  view.setUint16(60, 2, true)
  return bytes
}

describe("the header of a library", () => {
  it("says when the file is cut off, wherever it is", () => {
    const whole = fc.integer({ min: 1000, max: 2 ** 40 })
    fc.assert(fc.property(whole, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (size, part) => {
      const cut = Math.floor(size * part)
      const bytes = library(size)
      assert.isUndefined(elfProblem(bytes, size, "x64"))
      assert.isDefined(elfProblem(bytes.subarray(0, cut), cut, "x64"))
    }))
  })

  it("says what else is wrong", () => {
    const bytes = library(1000)
    const changed = (at: number, value: number) => Uint8Array.from(bytes, (byte, index) => index === at ? value : byte)
    assert.strictEqual(
      elfProblem(new TextEncoder().encode("<html>".repeat(20)), 120, "x64"),
      "it is not a shared library"
    )
    assert.strictEqual(elfProblem(bytes, 0, "x64"), "it is empty")
    assert.strictEqual(elfProblem(changed(4, 1), 1000, "x64"), "it is for processors of 32 bits")
    assert.strictEqual(elfProblem(changed(5, 2), 1000, "x64"), "it is for processors of another byte order")
    assert.strictEqual(elfProblem(bytes, 1000, "arm64"), "it is for another processor than arm64")
  })

  it.runIf(process.platform === "linux")("finds nothing wrong with the program that runs this", () => {
    const bytes = readFileSync(process.execPath)
    assert.isUndefined(elfProblem(bytes.subarray(0, elfHeaderLength), bytes.length))
    assert.match(elfProblem(bytes.subarray(0, elfHeaderLength), bytes.length - 1)!, /^it ends after \d+ of \d+ bytes$/)
  })
})
