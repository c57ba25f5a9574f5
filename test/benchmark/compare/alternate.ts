/**
 * One work, done by us and by peers in turns.
 */
import { Console, Effect, FileSystem } from "effect"
import { type Disagreement, disagreement, otherParameters } from "./agreement.ts"
import { openPeer, type Peer, type PeerCommand, type PeerFailed, type PeerMissing } from "./Peer.ts"
import { type Workload, writeWorkload } from "./workload.ts"

/** Whom to time, and how. */
export interface Turns {
  readonly ours: PeerCommand
  readonly peers: ReadonlyArray<PeerCommand>
  /** How often each has its turn. */
  readonly rounds: number
  /** Steps of a turn. */
  readonly block: number
}

/** What a participant took. */
export interface Timing {
  readonly name: string
  readonly version: string
  readonly parameters: number
  /** Milliseconds of each step, in the order in which they were taken. */
  readonly milliseconds: ReadonlyArray<number>
  readonly peakMemory: number
}

/**
 * Times a work: ours first, then those of the peers that are there. All are checked before any is timed. Each goes on from
 * where its last turn ended. Every other round goes backwards, so that what a neighbour leaves warm or busy, and what
 * changes over the whole time, falls on all alike.
 */
export const alternate = (workload: Workload, { block, ours, peers, rounds }: Turns) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "effusion-bench-" })
    yield* writeWorkload(folder, workload)
    const own = yield* openPeer(ours, folder)
    const expected = yield* own.check
    const checked = Effect.fnUntraced(function*(command: PeerCommand) {
      const peer = yield* openPeer(command, folder)
      const about = { peer: command.name, work: workload.spec.work }
      const difference = otherParameters(about, own.parameters, peer.parameters) ??
        disagreement(about, expected, yield* peer.check)
      return difference === undefined ? peer : yield* difference
    })
    const others = yield* Effect.forEach(peers, (command) => orLeftOut(command, checked(command)))
    const participants = [own, ...others.flatMap((peer) => peer === undefined ? [] : [peer])]

    // The first steps compile what the check did not need.
    for (const { run } of participants) yield* run(2)
    const times = participants.map((): Array<number> => [])
    for (let round = 0; round < rounds; round++) {
      const order = Array.from(participants.keys())
      for (const position of round % 2 === 0 ? order : order.toReversed()) {
        times[position]!.push(...yield* participants[position]!.run(block))
      }
    }
    return yield* Effect.forEach(participants, ({ name, parameters, peakMemory, version }, i) =>
      Effect.map(
        peakMemory,
        (peak): Timing => ({ name, version, parameters, milliseconds: times[i]!, peakMemory: peak })
      ))
  }).pipe(Effect.scoped)

/**
 * A peer, or `undefined` where it is not there. One that may fail counts as not there where it does, and also where it
 * computes something else; for the others that is the end.
 */
const orLeftOut = <R>(
  { mayFail, name }: PeerCommand,
  open: Effect.Effect<Peer, Disagreement | PeerFailed | PeerMissing, R>
): Effect.Effect<Peer | undefined, Disagreement | PeerFailed | PeerMissing, R> =>
  Effect.catchIf(
    open,
    (error) => error._tag === "PeerMissing" || mayFail === true,
    (error) => Effect.as(Console.error(`bench: ${error.message} ${name} is left out.`), undefined)
  )
