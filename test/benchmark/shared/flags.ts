/**
 * The flags that commands have in common.
 */
import { Optimizations } from "@effusion/core/engine/onnx"
import { Option } from "effect"
import { Flag } from "effect/cli"
import { type ConfigurationName, configurationNames } from "./configurations.ts"
import { type EngineChoice, engineNames, modes } from "./engines.ts"

/** A flag for some of the given names, with commas between them; all of them unless given or said. */
export const namesFlag = <Name extends string>(
  flag: string,
  names: ReadonlyArray<Name>,
  otherwise: ReadonlyArray<Name> = names
) =>
  Flag.String(flag).pipe(
    Flag.mapTryCatch(
      (text) =>
        text.split(",").map((part) => {
          const name = names.find((name) => name === part.trim())
          if (name === undefined) throw new RangeError(part)
          return name
        }),
      () => `some of ${names.join(", ")}, with commas between them`
    ),
    Flag.optional,
    Flag.map(Option.getOrElse(() => otherwise))
  )

export const threads = Flag.Int("threads").pipe(
  Flag.optional,
  Flag.withDescription("Threads of the engine; all cores unless given")
)

const engine = {
  engine: Flag.Literals("engine", engineNames).pipe(
    Flag.withDefault("onnx"),
    Flag.withDescription("The engine to time")
  ),
  mode: Flag.Literals("mode", modes).pipe(
    Flag.optional,
    Flag.withDescription("How the engine runs a program, where it has several ways")
  ),
  threads,
  without: namesFlag("without", Optimizations.names, []).pipe(
    Flag.withDescription("Optimizations of onnx to switch off, with commas between them")
  ),
  rematerialize: Flag.Boolean("rematerialize").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Compute again what is cheap, in place of keeping it")
  ),
  rematerializeAll: Flag.Boolean("rematerialize-all").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Compute convolutions and products again as well")
  )
}

export const config = Flag.Literals("config", configurationNames).pipe(
  Flag.optional,
  Flag.withDescription("The network to time; all of them, each in its own process, unless given")
)

export const json = Flag.Boolean("json").pipe(
  Flag.withDefault(false),
  Flag.withDescription("One JSON object a line")
)

/** The flags of every command. */
export const common = { ...engine, config, json }

/** The engine that flags choose. */
export const engineOf = (
  { engine, mode, rematerialize, rematerializeAll, threads, without }: {
    readonly engine: EngineChoice["engine"]
    readonly mode: Option.Option<NonNullable<EngineChoice["mode"]>>
    readonly threads: Option.Option<number>
    readonly without: ReadonlyArray<Optimizations.Name>
    readonly rematerialize: boolean
    readonly rematerializeAll: boolean
  }
): EngineChoice => ({
  engine,
  mode: Option.getOrUndefined(mode),
  threads: Option.getOrUndefined(threads),
  without,
  rematerialize: rematerializeAll ? "all" : rematerialize
})

/** The configurations that a flag leaves. */
export const configurationsOf = (config: Option.Option<ConfigurationName>): ReadonlyArray<ConfigurationName> =>
  Option.match(config, { onNone: () => configurationNames, onSome: (name) => [name] })

/** A flag for whole numbers from 1, with commas between them. */
export const countsFlag = (flag: string, otherwise: ReadonlyArray<number>) =>
  Flag.String(flag).pipe(
    Flag.mapTryCatch(
      (text) =>
        text.split(",").map((part) => {
          if (!/^[1-9]\d*$/.test(part.trim())) throw new RangeError(part)
          return Number(part)
        }),
      () => "whole numbers from 1 with commas between them"
    ),
    Flag.optional,
    Flag.map(Option.getOrElse(() => otherwise))
  )
