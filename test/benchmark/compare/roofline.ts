/**
 * What this machine does at best, by our engine and by the peers: matrix products and convolutions, in GFLOP/s.
 */
import { Console, Effect, FileSystem } from "effect"
import { openPeer, type PeerCommand } from "./Peer.ts"
import { byFramework, commandOf, type PeerName } from "./peers.ts"
import { rooflineWorkload, writeWorkload } from "./workload.ts"

/** The best of one framework. */
export interface Roofline {
  readonly name: string
  /** The peers that are written in it. */
  readonly peers: ReadonlyArray<PeerName>
  readonly version: string
  readonly product: number
  readonly convolution: number
}

/**
 * Measures our engine and each framework of the peers that is there; the others are named on standard error. Where all are
 * missing there is no roofline, not even ours.
 */
export const measureRoofline = (
  { ours, peers, python, repetitions, threads }: {
    readonly ours: PeerCommand
    readonly peers: ReadonlyArray<PeerName>
    readonly python: string
    readonly threads: number
    readonly repetitions: number
  }
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "effusion-bench-" })
    yield* writeWorkload(folder, rooflineWorkload({ threads, repetitions }))
    const measure = (command: PeerCommand, written: ReadonlyArray<PeerName>) =>
      Effect.gen(function*() {
        const { check, name, version } = yield* openPeer(command, folder)
        const { convolution = [], product = [] } = yield* check
        return { name, version, peers: written, product: Math.max(...product), convolution: Math.max(...convolution) }
      }).pipe(Effect.scoped)
    const rooflines: Array<Roofline> = []
    for (const names of byFramework(peers)) {
      yield* measure(commandOf(names[0]!, python), names).pipe(
        Effect.map((roofline) => void rooflines.push(roofline)),
        Effect.catchTag(
          "PeerMissing",
          ({ message }) => Console.error(`bench: ${message} Left out: ${names.join(", ")}.`)
        )
      )
    }
    return rooflines.length === 0 ? [] : [yield* measure(ours, []), ...rooflines]
  }).pipe(Effect.scoped)

/** The best of all, in GFLOP/s. */
export const bestOf = (rooflines: ReadonlyArray<Roofline>): number =>
  Math.max(...rooflines.flatMap(({ convolution, product }) => [convolution, product]))
