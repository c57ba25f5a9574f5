/**
 * The peers by name, and how each is started.
 */
import { Array as Arr } from "effect"
import { fileURLToPath } from "node:url"
import { type EngineChoice, type EngineName, engineNames } from "../shared/engines.ts"
import type { PeerCommand } from "./Peer.ts"

const script = (name: string): string => fileURLToPath(new URL(`../peers/${name}`, import.meta.url))

/** A script in Python, the variant that it is asked for, and what must be told to its process. */
interface PythonPeer extends Pick<PeerCommand, "environment" | "mayFail"> {
  readonly script: string
  readonly variant: string
}

/** glibc gives freed memory back to the system, and the next step faults it in again; these keep it. */
const keepsPages = { MALLOC_MMAP_MAX_: "0", MALLOC_TRIM_THRESHOLD_: "1099511627776" }

const pythonPeers = {
  torch: { script: "torch_peer.py", variant: "eager" },
  "torch-tuned": { script: "torch_peer.py", variant: "tuned", environment: keepsPages },
  "torch-compile": { script: "torch_peer.py", variant: "compile", mayFail: true },
  jax: { script: "jax_peer.py", variant: "jit" }
} satisfies { readonly [name: string]: PythonPeer }

type PythonPeerName = keyof typeof pythonPeers

/** The peers in Python, or one of our own engines. */
export type PeerName = PythonPeerName | EngineName

export const pythonPeerNames = Object.keys(pythonPeers) as ReadonlyArray<PythonPeerName>

export const peerNames: ReadonlyArray<PeerName> = [...pythonPeerNames, ...engineNames]

const pythonPeer = (name: PeerName): PythonPeer | undefined =>
  Object.hasOwn(pythonPeers, name)
    ? pythonPeers[name as PythonPeerName]
    : undefined

/** How a peer is started. */
export const commandOf = (name: PeerName, python: string): PeerCommand => {
  const peer = pythonPeer(name)
  if (peer === undefined) return ownCommand(name, { engine: name as EngineName })
  const { environment = {}, mayFail = false, variant } = peer
  return { name, command: python, args: [script(peer.script), variant], environment, mayFail }
}

/** How one of our own engines is started as a peer. */
export const ownCommand = (name: string, { engine, mode, without = [] }: EngineChoice): PeerCommand => {
  const variant = { engine, ...(mode === undefined ? {} : { mode }), ...(without.length === 0 ? {} : { without }) }
  return { name, command: process.execPath, args: [script("effusion.ts"), JSON.stringify(variant)] }
}

/** The peers of each framework: what a machine does at best is up to the framework, not to how a network is written. */
export const byFramework = (names: ReadonlyArray<PeerName>): ReadonlyArray<ReadonlyArray<PeerName>> =>
  Object.values(Arr.groupBy(names, (name) => pythonPeer(name)?.script ?? name))
