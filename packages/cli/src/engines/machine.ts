/**
 * What kind of machine this is, as far as binaries are concerned.
 */
import { Context } from "effect"

export interface Machine {
  /** `linux`, as Node calls it. */
  readonly platform: string
  /** `x64`, as Node calls it. */
  readonly arch: string
  /** The version of glibc; undefined where there is another C library, or none. */
  readonly glibc: string | undefined
  /** The binary of Node. */
  readonly node: string
}

/** The machine that this process runs on. */
export const Machine: Context.Reference<Machine> = Context.Reference<Machine>("@effusion/cli/Machine", {
  defaultValue: () => ({
    platform: process.platform,
    arch: process.arch,
    glibc: glibcVersion(),
    node: process.execPath
  })
})

const glibcVersion = (): string | undefined => {
  if (process.platform !== "linux") return undefined
  const report = process.report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime
}

/** What Python calls processors, by what Node calls them. */
const pythonNames: { readonly [arch: string]: ReadonlyArray<string> | undefined } = {
  x64: ["x86_64", "amd64"],
  arm64: ["aarch64", "arm64"]
}

/**
 * The machine in words.
 *
 * @example
 * describeMachine(yield* Machine) // => "Linux on x86_64 with glibc 2.36"
 */
export const describeMachine = ({ arch, glibc, platform }: Machine): string =>
  `${systems[platform] ?? platform} on ${pythonNames[arch]?.[0] ?? arch}${
    platform === "linux" ? glibc === undefined ? " without glibc" : ` with glibc ${glibc}` : ""
  }`

const systems: { readonly [platform: string]: string | undefined } = {
  linux: "Linux",
  darwin: "macOS",
  win32: "Windows"
}

/**
 * Whether binaries of a wheel run on a machine, by the wheel's platform tag (PEP 425, PEP 600). Versions of macOS are left
 * to the check that follows every installation.
 *
 * @example
 * runs({ platform: "linux", arch: "x64", glibc: "2.36", ... }, "manylinux_2_27_x86_64") // => true
 */
export const runs = ({ arch, glibc, platform }: Machine, tag: string): boolean => {
  if (tag === "any") return true
  if (!(pythonNames[arch] ?? []).some((name) => tag.endsWith(`_${name}`)) && !tag.endsWith("_universal2")) return false
  if (platform === "darwin") return tag.startsWith("macosx_")
  if (platform !== "linux") return false
  const needed = neededGlibc(tag)
  return needed === undefined ? tag.startsWith("linux_") : glibc !== undefined && compare(glibc, needed) >= 0
}

/** The glibc that a tag asks for. */
const neededGlibc = (tag: string): string | undefined => {
  const [, major, minor] = /^manylinux_(\d+)_(\d+)_/.exec(tag) ?? []
  if (major !== undefined && minor !== undefined) return `${major}.${minor}`
  const legacy = /^manylinux(1|2010|2014)_/.exec(tag)?.[1]
  return legacy === undefined ? undefined : { "1": "2.5", "2010": "2.12", "2014": "2.17" }[legacy]
}

/** Below, at or above 0 as a version is older than another one, the same, or newer. */
const compare = (a: string, b: string): number => {
  const [left, right] = [a.split(".").map(Number), b.split(".").map(Number)]
  const at = left.findIndex((part, i) => part !== (right[i] ?? 0))
  return at === -1 ? 0 : left[at]! - (right[at] ?? 0)
}
